import { type ServiceError, status } from "@grpc/grpc-js";
import { formatDuration } from "../../config/duration.ts";
import { CollectorError } from "../../support/errors.ts";
import { type SecretHeaders, serverText } from "../../transport/headers.ts";
import { tooLargeMend } from "../../transport/otlp-client.ts";
import { readRpcStatus } from "../../transport/otlp-response.ts";
import { errorCodeOfGrpc } from "../../transport/retryable.ts";

export interface Failure {
  readonly error: ServiceError;
  readonly endpoint: string;
  /** What was sent with the request, to be kept out of messages. */
  readonly headers: SecretHeaders;
  /** Of the request, before compression. */
  readonly byteCount: number;
  readonly timeoutMs: number;
  /** The call was ended by our own stop. */
  readonly isStopping: boolean;
}

/** The error that a gRPC status other than OK is, with what the server said. */
export function errorOfStatus(failure: Failure): CollectorError {
  const { error, endpoint } = failure;
  const code = errorCodeOfGrpc(error.code, hasRetryInfo(error));
  return new CollectorError(code, `${endpoint} ${whatHappened(failure)}`);
}

function whatHappened({ error, headers, byteCount, timeoutMs, isStopping }: Failure): string {
  if (isStopping && error.code === status.CANCELLED) return "gave no answer before the stop";
  if (error.code === status.DEADLINE_EXCEEDED) {
    return `gave no answer within ${formatDuration(timeoutMs)}`;
  }
  const said = serverText(error.details, headers);
  if (error.code === status.UNAVAILABLE && NO_CONNECTION.test(said)) {
    return `cannot be reached: ${connectionCause(said)}`;
  }
  const mend = error.code === status.RESOURCE_EXHAUSTED ? tooLargeMend(byteCount) : "";
  return `answered ${status[error.code] ?? error.code}${said === "" ? "" : `: ${said}`}${mend}`;
}

/** How grpc-js begins what it says of a channel that is not connected. */
const NO_CONNECTION = /^(?:\w+: )?(?:No connection established|Name resolution failed)/;

const NO_TLS_MEND = "set tls::insecure: true";
const NO_TLS = `the server does not speak TLS; ${NO_TLS_MEND} for that`;

/** Details of grpc-js that a person may not understand, and what they come from. */
const causes: readonly (readonly [string, string])[] = [
  ["ECONNREFUSED", "connection refused"],
  ["before secure TLS", `the server ended the TLS handshake; if it speaks none, ${NO_TLS_MEND}`],
  ["ECONNRESET", "connection reset by the server"],
  ["Name resolution failed", "no such host"],
  ["wrong version number", NO_TLS],
  ["packet length too long", NO_TLS],
];

function connectionCause(details: string): string {
  const known = causes.find(([part]) => details.includes(part));
  if (known !== undefined) return known[1];
  return details
    .replace(/^.*Last error: (?:Error: )?/s, "")
    .replace(/\.? Resolution note:.*$/s, "");
}

/** True when the server said when it will have room again. */
function hasRetryInfo({ metadata }: ServiceError): boolean {
  const [details] = metadata.get("grpc-status-details-bin");
  if (!Buffer.isBuffer(details)) return false;
  try {
    return readRpcStatus(details).hasRetryInfo;
  } catch {
    return false;
  }
}
