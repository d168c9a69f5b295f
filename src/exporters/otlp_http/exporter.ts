import type { ComponentContext, Exporter } from "../../pipeline/component.ts";
import { encodeOtlp } from "../../profiles/otlp/encode.ts";
import { encodeOtlpJson } from "../../profiles/otlp/json-encode.ts";
import type { ProfileBatch } from "../../profiles/profile.ts";
import { CollectorError } from "../../support/errors.ts";
import { createHttpClient } from "../../transport/client-config.ts";
import { belowEndpoint, httpEndpoint, shownUrl } from "../../transport/endpoint.ts";
import type { SecretHeaders } from "../../transport/headers.ts";
import type { HttpClient, HttpResponse } from "../../transport/http-client.ts";
import { checkRequestSize, PartialSuccessReport } from "../../transport/otlp-client.ts";
import { ClientSession } from "../../transport/session.ts";
import { errorOfAnswer, isSuccess, partialSuccessOf } from "./answer.ts";
import type { OtlpHttpConfig } from "./config.ts";

const PATH = "v1development/profiles";

const encodings = {
  proto: { contentType: "application/x-protobuf", encode: encodeOtlp },
  json: { contentType: "application/json", encode: encodeOtlpJson },
} as const;

/**
 * Sends each batch as one OTLP request over HTTP.
 *
 * Source: OTLP specification, "OTLP/HTTP".
 */
export class OtlpHttpExporter implements Exporter {
  readonly #config: OtlpHttpConfig;
  readonly #context: ComponentContext;
  readonly #url: URL;
  readonly #headers: SecretHeaders;
  readonly #partialSuccesses: PartialSuccessReport;
  readonly #session: ClientSession<HttpClient>;

  /** @throws CollectorError CONFIG_INVALID  no URL to send to */
  constructor(config: OtlpHttpConfig, context: ComponentContext) {
    this.#config = config;
    this.#context = context;
    this.#url = profilesUrl(config);
    this.#headers = config.headers;
    this.#partialSuccesses = new PartialSuccessReport(context);
    this.#session = new ClientSession("otlp_http", () => this.#open());
  }

  /** Reads the certificates. The server is first asked when a batch comes. */
  async start(): Promise<void> {
    await this.#session.start();
  }

  /**
   * Resolves when the server has taken the batch, of which nothing is read after the call.
   *
   * @throws CollectorError  UNAVAILABLE_RETRYABLE for what may be sent again
   */
  async consume(batch: ProfileBatch): Promise<void> {
    const { contentType, encode } = encodings[this.#config.encoding];
    const body = encode(batch);
    checkRequestSize(shownUrl(this.#url), body.length);
    await this.#session.run(async (client, signal) => {
      this.#check(await client.post(this.#url, body, { contentType, signal }), body.length);
    });
  }

  async stop(): Promise<void> {
    await this.#session.stop();
  }

  #open(): Promise<HttpClient> {
    const usesTls = this.#url.protocol === "https:";
    return createHttpClient(this.#config, { clock: this.#context.clock, usesTls });
  }

  #check(response: HttpResponse, byteCount: number): void {
    const url = this.#url;
    const headers = this.#headers;
    if (!isSuccess(response)) throw errorOfAnswer({ url, response, headers, byteCount });
    this.#partialSuccesses.read(() => partialSuccessOf(response), headers);
  }
}

function profilesUrl({ endpoint = "", profiles_endpoint: whole = "" }: OtlpHttpConfig): URL {
  if (whole !== "") return httpEndpoint(whole, "profiles_endpoint");
  if (endpoint !== "") return belowEndpoint(httpEndpoint(endpoint, "endpoint"), PATH);
  throw new CollectorError("CONFIG_INVALID", "endpoint or profiles_endpoint must be set");
}
