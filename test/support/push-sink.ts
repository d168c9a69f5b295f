import {
  type HttpAnswer,
  type HttpSink,
  type ReceivedRequest,
  startHttpSink,
} from "./http-sink.ts";
import { protoRoot } from "./proto-root.ts";
import type { AcceptedProfile, Label } from "./pyroscope-rules.ts";
import { acceptProfile, PyroscopeRefusal } from "./pyroscope-rules.ts";

/** A profile that was pushed and kept. */
export interface PushedProfile extends AcceptedProfile {
  /** RawSample.ID */
  readonly id: string;
}

/** A stand-in for Pyroscope's push.v1.PusherService/Push in protobuf over HTTP. */
export interface PushSink extends HttpSink {
  /** Kept profiles in the order in which they came. */
  readonly accepted: readonly PushedProfile[];
  /** Kept profiles by `name="value"` of the labels, sorted and joined by a comma. */
  bySeries(): Map<string, PushedProfile[]>;
}

export interface PushSinkOptions {
  /** Refuses who does not name a tenant, as Pyroscope with multitenancy does. */
  readonly tenantRequired?: boolean;
}

/** The codes of Connect that a push can be answered, and their HTTP status. */
const connectStatus = {
  invalid_argument: 400,
  unauthenticated: 401,
  permission_denied: 403,
  resource_exhausted: 429,
  internal: 500,
  unimplemented: 501,
  unavailable: 503,
} as const;

const PATH = "/push.v1.PusherService/Push";

interface RawSeries {
  readonly labels: readonly Label[];
  readonly samples: readonly { readonly rawProfile: Uint8Array; readonly ID: string }[];
}

const pushRequest = protoRoot("push/v1/push.proto").lookupType("push.v1.PushRequest");

/** Starts a sink that keeps what Pyroscope would and refuses the rest as Pyroscope would. */
export async function startPushSink(options: PushSinkOptions = {}): Promise<PushSink> {
  const accepted: PushedProfile[] = [];
  const sink = await startHttpSink((request) => answerTo(request, options, accepted));
  // The sink has getters, which a spread would read once.
  return Object.assign(sink, {
    accepted,
    bySeries: () => Map.groupBy(accepted, ({ labels }) => seriesOf(labels)),
  });
}

/** The error answer of a Connect unary call, to be given to `fail`. */
export function connectError(
  code: keyof typeof connectStatus,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): HttpAnswer {
  return {
    status: connectStatus[code],
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ code, message }),
  };
}

function seriesOf(labels: ReadonlyMap<string, string>): string {
  return [...labels].map(([name, value]) => `${name}="${value}"`).join(",");
}

function answerTo(
  request: ReceivedRequest,
  options: PushSinkOptions,
  accepted: PushedProfile[],
): HttpAnswer {
  if (request.path !== PATH) return { status: 404 };
  if (request.method !== "POST") return { status: 405, headers: { allow: "POST" } };
  if (request.headers["content-type"] !== "application/proto") {
    return { status: 415, headers: { "accept-post": "application/proto" } };
  }
  const encoding = request.headers["content-encoding"] ?? "identity";
  if (encoding !== "identity" && encoding !== "gzip") {
    return connectError("unimplemented", `unknown compression "${encoding}"`);
  }
  if (options.tenantRequired && request.headers["x-scope-orgid"] === undefined) {
    return connectError("unauthenticated", "no org id");
  }
  const refusals = refusalsOf(request.body, accepted);
  if (refusals.length > 0) return connectError("invalid_argument", refusals.join("; "));
  return { status: 200, headers: { "content-type": "application/proto" } };
}

/** Keeps every good profile, also beside bad ones: so does Pyroscope. */
function refusalsOf(body: Uint8Array | undefined, accepted: PushedProfile[]): string[] {
  let series: readonly RawSeries[];
  try {
    if (body === undefined) return ["invalid compressed data"];
    series = (pushRequest.decode(body) as unknown as { series: RawSeries[] }).series;
  } catch (error) {
    return [`unmarshal message: ${error}`];
  }
  const pushed = series.flatMap(({ labels, samples }) =>
    samples.map(({ rawProfile, ID }) => ({ labels, rawProfile, id: ID })),
  );
  if (pushed.length === 0) return ["no profiles received"];
  return pushed.flatMap(({ labels, rawProfile, id }, index) => {
    try {
      accepted.push({ ...acceptProfile(rawProfile, labels, Date.now()), id });
      return [];
    } catch (error) {
      if (!(error instanceof PyroscopeRefusal)) throw error;
      return [`push series with index ${index} and id ${id} failed: ${error.message}`];
    }
  });
}
