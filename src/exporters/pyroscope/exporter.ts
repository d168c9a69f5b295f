import { randomUUID } from "node:crypto";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { Secret } from "../../config/secret.ts";
import {
  type ComponentContext,
  DeliveryError,
  type DeliveryResult,
  type Exporter,
} from "../../pipeline/component.ts";
import type { ProfileBatch } from "../../profiles/profile.ts";
import { CollectorError, isCollectorError, messageOf } from "../../support/errors.ts";
import type { Counter } from "../../support/metrics.ts";
import { createHttpClient } from "../../transport/client-config.ts";
import { belowEndpoint, httpEndpoint, shownUrl } from "../../transport/endpoint.ts";
import type { SecretHeaders } from "../../transport/headers.ts";
import type { HttpClient } from "../../transport/http-client.ts";
import { ClientSession } from "../../transport/session.ts";
import { errorOfAnswer } from "./answer.ts";
import type { PyroscopeConfig } from "./config.ts";
import { type Label, SeriesLabels } from "./labels.ts";
import { PUSH_BYTES_MAX, pprofParts } from "./parts.ts";
import { encodePushRequest } from "./push-message.ts";
import { type DropReason, seriesOf } from "./series.ts";

const PATH = "push.v1.PusherService/Push";
const CONTENT_TYPE = "application/proto";

const dropReasons: readonly DropReason[] = ["too_old", "too_new", "negative_value", "too_large"];

const compress = promisify(gzip);

/** A profile before it is compressed. */
interface Part {
  readonly labels: readonly Label[];
  readonly bytes: Uint8Array;
  readonly rows: number;
}

/** What became of the rows of one batch up to now. */
interface Outcome {
  delivered: number;
  readonly dropped: Map<DropReason, number>;
}

interface Sending {
  readonly client: HttpClient;
  readonly requests: readonly (readonly Part[])[];
  readonly signal: AbortSignal;
  readonly outcome: Outcome;
}

/** Sends profiles to Pyroscope: one a window for each service, by `push.v1.PusherService/Push`. */
export class PyroscopeExporter implements Exporter {
  readonly #config: PyroscopeConfig;
  readonly #context: ComponentContext;
  readonly #url: URL;
  readonly #headers: SecretHeaders;
  readonly #labels: SeriesLabels;
  readonly #dropped: ReadonlyMap<DropReason, Counter>;
  readonly #session: ClientSession<HttpClient>;

  /** @throws CollectorError CONFIG_INVALID  no URL, two ways to authenticate, a label's name */
  constructor(config: PyroscopeConfig, context: ComponentContext) {
    this.#config = config;
    this.#context = context;
    this.#url = belowEndpoint(httpEndpoint(config.endpoint, "endpoint"), PATH);
    this.#headers = headersOf(config);
    this.#session = new ClientSession("pyroscope", () => this.#open());
    const { metrics } = context;
    this.#dropped = new Map(
      dropReasons.map((reason) => [
        reason,
        metrics.counter("obsforge_exporter_dropped_samples", "Samples that were not sent.", {
          reason,
        }),
      ]),
    );
    const droppedLabels = metrics.counter(
      "obsforge_exporter_dropped_labels",
      "Labels of series for which there was no room.",
    );
    this.#labels = new SeriesLabels(config, (count) => droppedLabels.add(count));
  }

  /** Reads the certificates. The server is first asked when a batch comes. */
  async start(): Promise<void> {
    await this.#session.start();
  }

  /**
   * Resolves when the server has taken what it may be sent of the batch, of which nothing is read
   * after the call.
   *
   * @throws CollectorError UNAVAILABLE_RETRYABLE  none of it was taken, none of it was counted as
   *   dropped, and it may be sent again
   * @throws DeliveryError  it may not be; a part of it may have been taken
   */
  async consume(batch: ProfileBatch): Promise<DeliveryResult> {
    const outcome: Outcome = { delivered: 0, dropped: new Map() };
    try {
      const requests = requestsOf(this.#partsOf(batch, outcome));
      if (requests.length > 0) {
        await this.#session.run((client, signal) =>
          this.#send({ client, requests, signal, outcome }),
        );
      }
    } catch (error) {
      if (isCollectorError(error, "UNAVAILABLE_RETRYABLE")) throw error;
      throw new DeliveryError(collectorErrorOf(error), this.#resultOf(outcome));
    }
    return this.#resultOf(outcome);
  }

  /** Counts what was dropped of a batch that does not come again. */
  #resultOf(outcome: Outcome): DeliveryResult {
    let dropped = 0;
    for (const [reason, rows] of outcome.dropped) {
      this.#dropped.get(reason)?.add(rows);
      dropped += rows;
    }
    return { delivered: outcome.delivered, dropped };
  }

  async stop(): Promise<void> {
    await this.#session.stop();
  }

  #open(): Promise<HttpClient> {
    const usesTls = this.#url.protocol === "https:";
    const config = { ...this.#config, headers: this.#headers as PyroscopeConfig["headers"] };
    return createHttpClient(config, { clock: this.#context.clock, usesTls });
  }

  #partsOf(batch: ProfileBatch, { dropped }: Outcome): Part[] {
    const onDropped = (reason: DropReason, rows: number): void => {
      dropped.set(reason, (dropped.get(reason) ?? 0) + rows);
    };
    const series = seriesOf(batch, {
      labels: this.#labels,
      sampleLabels: this.#config.sample_labels,
      nowUnixNano: this.#context.clock.unixNanos(),
      onDropped,
    });
    return series.flatMap((one) =>
      Array.from(
        pprofParts(one, (rows) => onDropped("too_large", rows)),
        (part) => ({ labels: one.labels, ...part }),
      ),
    );
  }

  /**
   * One request after the other: a server that bounds what comes in a second gets it spread. When
   * it refuses one, the others still have a chance; when it is down, they have none.
   */
  async #send({ client, requests, signal, outcome }: Sending): Promise<void> {
    const failures: unknown[] = [];
    let sent = 0;
    for (const request of requests) {
      try {
        await this.#push(client, request, signal);
        sent++;
        for (const { rows } of request) outcome.delivered += rows;
      } catch (error) {
        failures.push(error);
        if (isCollectorError(error, "UNAVAILABLE_RETRYABLE")) break;
      }
    }
    if (failures.length > 0) throw this.#failure(failures, sent, requests.length);
  }

  async #push(client: HttpClient, parts: readonly Part[], signal: AbortSignal): Promise<void> {
    const profiles = await Promise.all(
      parts.map(async ({ labels, bytes }) => ({
        labels,
        bytes: await compress(bytes),
        id: randomUUID(),
      })),
    );
    const body = encodePushRequest(profiles);
    const options = { contentType: CONTENT_TYPE, signal };
    const response = await client.post(this.#url, body, options);
    const isSuccess = response.status >= 200 && response.status <= 299;
    if (!isSuccess) throw errorOfAnswer(this.#url, response, this.#secrets);
  }

  /** What must not be read in a message, whoever repeats it. */
  get #secrets(): SecretHeaders {
    const { basic_auth: basic } = this.#config;
    return new Map([...this.#headers, ["password", basic?.password]]);
  }

  #failure(failures: readonly unknown[], sent: number, requests: number): unknown {
    const [first] = failures;
    if (!isCollectorError(first) || requests === 1) return first;
    const counts = `${requests - sent} of ${requests} requests were not delivered`;
    const isRetryable = isCollectorError(first, "UNAVAILABLE_RETRYABLE");
    const code = isRetryable && sent > 0 ? "UNSUPPORTED" : first.code;
    const message = `${shownUrl(this.#url)}: ${counts}; ${first.message}`;
    return new CollectorError(code, message, { cause: first });
  }
}

function collectorErrorOf(error: unknown): CollectorError {
  if (isCollectorError(error)) return error;
  return new CollectorError("INTERNAL", messageOf(error), { cause: error });
}

/** Profiles in their order, as many in a request as it may hold. */
function requestsOf(parts: readonly Part[]): Part[][] {
  const requests: Part[][] = [];
  let room = 0;
  for (const part of parts) {
    if (part.bytes.length > room) {
      requests.push([]);
      room = PUSH_BYTES_MAX;
    }
    requests.at(-1)?.push(part);
    room -= part.bytes.length;
  }
  return requests;
}

/** The user's own headers win over those that are made of other options. */
function headersOf(config: PyroscopeConfig): SecretHeaders {
  const { basic_auth: basic, bearer_token: token, tenant_id: tenant } = config;
  if (basic !== undefined && token !== undefined) {
    throw new CollectorError("CONFIG_INVALID", "basic_auth and bearer_token cannot both be set");
  }
  const headers = new Map<string, Secret | undefined>();
  if (tenant !== "") headers.set("x-scope-orgid", new Secret(tenant));
  if (token !== undefined) {
    headers.set("authorization", new Secret(`Bearer ${token.reveal()}`));
  }
  if (basic !== undefined) {
    const pair = `${basic.username}:${basic.password?.reveal() ?? ""}`;
    headers.set("authorization", new Secret(`Basic ${Buffer.from(pair).toString("base64")}`));
  }
  for (const [name, value] of config.headers) headers.set(name.toLowerCase(), value);
  return headers;
}
