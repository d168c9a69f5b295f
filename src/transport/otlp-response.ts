import { JsonReader } from "../profiles/otlp/json-reader.ts";
import { ProtoReader, tagOf, WIRE_BYTES, WIRE_VARINT } from "../profiles/protobuf/reader.ts";

/**
 * What an OTLP server answers, in protobuf or JSON.
 *
 *   ExportProfilesServiceResponse  1 partial_success
 *   ExportProfilesPartialSuccess   1 rejected_profiles int64, 2 error_message string
 *   google.rpc.Status              1 code int32, 2 message string, 3 details repeated Any
 *   google.protobuf.Any            1 type_url string, 2 value bytes
 *
 * Sources: opentelemetry-proto 1.11 profiles_service.proto; googleapis rpc/status.proto.
 */

/** A success with a reservation: the rest of the batch was taken, and nothing is sent again. */
export interface PartialSuccess {
  /** 0 for a warning only. */
  readonly rejectedProfiles: number;
  readonly errorMessage: string;
}

/** google.rpc.Status, as far as a client acts on it. */
export interface RpcStatus {
  readonly message: string;
  /** The server said when to ask again, so a full one may be asked again at all. */
  readonly hasRetryInfo: boolean;
}

const FIRST_MESSAGE = tagOf(1, WIRE_BYTES);
const FIRST_INTEGER = tagOf(1, WIRE_VARINT);
const SECOND_TEXT = tagOf(2, WIRE_BYTES);
const DETAIL = tagOf(3, WIRE_BYTES);

/** Objects inside of one another; the answers have two, and unknown fields some more. */
const JSON_DEPTH_MAX = 16;
/** Details of one status; servers send one or two. */
const DETAILS_MAX = 32;
const RETRY_INFO = "google.rpc.RetryInfo";
const NAME = "OTLP response";

/**
 * The reservation of a success; undefined when the whole batch was taken.
 *
 * @throws CollectorError INPUT_MALFORMED, LIMIT_EXCEEDED
 */
export function readPartialSuccess(bytes: Uint8Array): PartialSuccess | undefined {
  const reader = new ProtoReader(bytes, NAME);
  let found: PartialSuccess | undefined;
  while (reader.offset < reader.end) {
    const tag = reader.tag();
    if (tag === FIRST_MESSAGE) found = partialSuccess(reader);
    else reader.skip(tag);
  }
  return meaningful(found);
}

function partialSuccess(reader: ProtoReader): PartialSuccess {
  let rejectedProfiles = 0;
  let errorMessage = "";
  const outer = reader.enter();
  while (reader.offset < reader.end) {
    const tag = reader.tag();
    if (tag === FIRST_INTEGER) rejectedProfiles = reader.int64Number("rejected_profiles");
    else if (tag === SECOND_TEXT) errorMessage = reader.string();
    else reader.skip(tag);
  }
  reader.leave(outer);
  return { rejectedProfiles, errorMessage };
}

/** The same of OTLP/JSON, where a 64-bit number is text or a number. */
export function readPartialSuccessJson(bytes: Uint8Array): PartialSuccess | undefined {
  const reader = new JsonReader(bytes, NAME, JSON_DEPTH_MAX);
  let found: PartialSuccess | undefined;
  for (let key = reader.firstKey(); key !== undefined; key = reader.nextKey()) {
    if (key === "partialSuccess" && reader.kind() === "object") found = partialSuccessJson(reader);
    else reader.skip();
  }
  reader.end();
  return meaningful(found);
}

function partialSuccessJson(reader: JsonReader): PartialSuccess {
  let rejectedProfiles = 0;
  let errorMessage = "";
  for (let key = reader.firstKey(); key !== undefined; key = reader.nextKey()) {
    if (key === "rejectedProfiles") rejectedProfiles = integerOf(scalar(reader));
    else if (key === "errorMessage") errorMessage = scalar(reader);
    else reader.skip();
  }
  return { rejectedProfiles, errorMessage };
}

/** Text or a number as it is written; anything else is read over and gives "". */
function scalar(reader: JsonReader): string {
  const kind = reader.kind();
  if (kind === "string") return reader.string();
  if (kind === "number") return reader.number();
  reader.skip();
  return "";
}

function integerOf(text: string): number {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : 0;
}

/** Only what says something, and no count that would turn a counter back. */
function meaningful(given: PartialSuccess | undefined): PartialSuccess | undefined {
  if (given === undefined) return undefined;
  const rejectedProfiles = Math.max(given.rejectedProfiles, 0);
  if (rejectedProfiles === 0 && given.errorMessage === "") return undefined;
  return { ...given, rejectedProfiles };
}

/** @throws CollectorError INPUT_MALFORMED, LIMIT_EXCEEDED */
export function readRpcStatus(bytes: Uint8Array): RpcStatus {
  const reader = new ProtoReader(bytes, "google.rpc.Status");
  let message = "";
  let hasRetryInfo = false;
  let details = 0;
  while (reader.offset < reader.end) {
    const tag = reader.tag();
    if (tag === SECOND_TEXT) message = reader.string();
    else if (tag === DETAIL && details++ < DETAILS_MAX) {
      hasRetryInfo = typeOfAny(reader).endsWith(RETRY_INFO) || hasRetryInfo;
    } else reader.skip(tag);
  }
  return { message, hasRetryInfo };
}

function typeOfAny(reader: ProtoReader): string {
  let typeUrl = "";
  const outer = reader.enter();
  while (reader.offset < reader.end) {
    const tag = reader.tag();
    if (tag === FIRST_MESSAGE) typeUrl = reader.string();
    else reader.skip(tag);
  }
  reader.leave(outer);
  return typeUrl;
}

/** The same of JSON, for its message; details say nothing that HTTP does not say elsewhere. */
export function readRpcStatusJson(bytes: Uint8Array): RpcStatus {
  const reader = new JsonReader(bytes, "google.rpc.Status", JSON_DEPTH_MAX);
  let message = "";
  for (let key = reader.firstKey(); key !== undefined; key = reader.nextKey()) {
    if (key === "message") message = scalar(reader);
    else reader.skip();
  }
  reader.end();
  return { message, hasRetryInfo: false };
}
