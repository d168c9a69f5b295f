import { formatDuration } from "../../config/duration.ts";
import { CollectorError } from "../../support/errors.ts";
import { shownUrl } from "../../transport/endpoint.ts";
import { type SecretHeaders, serverText } from "../../transport/headers.ts";
import type { HttpResponse } from "../../transport/http-client.ts";
import { nodeHttp } from "../../transport/node-http.ts";
import { tooLargeMend } from "../../transport/otlp-client.ts";
import {
  type PartialSuccess,
  readPartialSuccess,
  readPartialSuccessJson,
  readRpcStatus,
  readRpcStatusJson,
} from "../../transport/otlp-response.ts";
import { errorCodeOfStatus } from "../../transport/retryable.ts";

const TOO_LARGE = 413;

export interface Answered {
  readonly url: URL;
  readonly response: HttpResponse;
  /** What was sent with the request, to be kept out of messages. */
  readonly headers: SecretHeaders;
  /** Of the request, before compression. */
  readonly byteCount: number;
}

export function isSuccess({ status }: HttpResponse): boolean {
  return status >= 200 && status <= 299;
}

/**
 * The reservation of a success.
 *
 * @throws CollectorError INPUT_MALFORMED, LIMIT_EXCEEDED  the body cannot be read
 */
export function partialSuccessOf(response: HttpResponse): PartialSuccess | undefined {
  return readBy(response, readPartialSuccess, readPartialSuccessJson);
}

/** The error that an answer other than 2xx is, with what the server said. */
export function errorOfAnswer({ url, response, headers, byteCount }: Answered): CollectorError {
  const { status, retryAfterMs } = response;
  const said = serverText(messageOfBody(response), headers);
  const wait = retryAfterMs === undefined ? "" : `; it asks for ${formatDuration(retryAfterMs)}`;
  const name = nodeHttp().STATUS_CODES[status];
  const sentence = [
    `${shownUrl(url)} answered ${status}`,
    name === undefined ? "" : ` ${name}`,
    said === "" ? "" : `: ${said}`,
    status === TOO_LARGE ? tooLargeMend(byteCount) : "",
    wait,
  ];
  return new CollectorError(errorCodeOfStatus(status), sentence.join(""));
}

function messageOfBody(response: HttpResponse): string {
  if (contentType(response) === "text/plain") return Buffer.from(response.body).toString("utf8");
  try {
    return readBy(response, readRpcStatus, readRpcStatusJson)?.message ?? "";
  } catch {
    // Not a google.rpc.Status: the status line alone has to do.
    return "";
  }
}

function readBy<Read>(
  response: HttpResponse,
  readProto: (bytes: Uint8Array) => Read,
  readJson: (bytes: Uint8Array) => Read,
): Read | undefined {
  const type = contentType(response);
  if (type === "application/x-protobuf") return readProto(response.body);
  if (type === "application/json") return readJson(response.body);
  return undefined;
}

function contentType({ headers }: HttpResponse): string {
  const [type = ""] = (headers["content-type"] ?? "").split(";", 1);
  return type.trim().toLowerCase();
}
