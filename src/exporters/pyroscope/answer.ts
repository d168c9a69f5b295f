import { formatDuration } from "../../config/duration.ts";
import { parseJson } from "../../profiles/text/json.ts";
import { CollectorError, type ErrorCode } from "../../support/errors.ts";
import { NETWORK_LIMITS } from "../../support/limits.ts";
import { escapeControl } from "../../support/logger.ts";
import { shownUrl } from "../../transport/endpoint.ts";
import { type SecretHeaders, serverText } from "../../transport/headers.ts";
import type { HttpResponse } from "../../transport/http-client.ts";
import { errorCodeOfStatus } from "../../transport/retryable.ts";

/** An error of Connect is a sentence; what is longer is another server's page. */
const ERROR_LIMITS = { ...NETWORK_LIMITS, wireBytesMax: 64 * 1024 };

/** Pyroscope's own limits and troubles pass; what it does not know how to do does not. */
const RETRYABLE = new Set([408, 429]);
const UNIMPLEMENTED = 501;

/**
 * The error that an answer other than 2xx is, with what the server said: Connect's
 * `{"code": "resource_exhausted", "message": "…"}`.
 *
 * @param secrets  what was sent and may come back in the answer, to be kept out [S14]
 */
export function errorOfAnswer(
  url: URL,
  response: HttpResponse,
  secrets: SecretHeaders,
): CollectorError {
  const { status, retryAfterMs } = response;
  const said = escapeControl(serverText(connectText(response.body), secrets));
  const wait = retryAfterMs === undefined ? "" : `; it asks for ${formatDuration(retryAfterMs)}`;
  const sentence = `${shownUrl(url)} answered ${status}${said === "" ? "" : `: ${said}`}${wait}`;
  return new CollectorError(errorCodeOf(status), sentence);
}

function errorCodeOf(status: number): ErrorCode {
  const isServers = status >= 500 && status !== UNIMPLEMENTED;
  return RETRYABLE.has(status) || isServers ? "UNAVAILABLE_RETRYABLE" : errorCodeOfStatus(status);
}

function connectText(body: Uint8Array): string {
  try {
    const root = parseJson(body, ERROR_LIMITS, "answer");
    const [code, message] = ["code", "message"].map((key) => {
      const member = root.member(key);
      return member.isThere ? member.text(ERROR_LIMITS) : "";
    });
    return [code, message].filter((part) => part !== "").join(": ");
  } catch {
    // Not Connect's: a proxy's text, or nothing.
    return Buffer.from(body.subarray(0, ERROR_LIMITS.wireBytesMax)).toString("utf8");
  }
}
