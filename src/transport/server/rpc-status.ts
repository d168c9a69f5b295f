import { tagOf, WIRE_BYTES, WIRE_VARINT } from "../../profiles/protobuf/reader.ts";
import { ProtoWriter } from "../../profiles/protobuf/writer.ts";

/**
 * google.rpc.Status, as a server answers it.
 *
 *   google.rpc.Status     1 code int32, 2 message string, 3 details repeated Any
 *   google.protobuf.Any   1 type_url string, 2 value bytes
 *   google.rpc.RetryInfo  1 retry_delay Duration (1 seconds int64)
 *
 * Source: googleapis rpc/status.proto and rpc/error_details.proto.
 */
export interface Status {
  readonly code: number;
  readonly message: string;
  /** When to ask again, in whole seconds; absent for what must not be sent again. */
  readonly retryAfterSeconds?: number;
}

const RETRY_INFO_URL = "type.googleapis.com/google.rpc.RetryInfo";

export function statusBytes({ code, message, retryAfterSeconds }: Status): Uint8Array {
  const writer = new ProtoWriter();
  writer.int32Field(tagOf(1, WIRE_VARINT), code);
  writer.stringField(tagOf(2, WIRE_BYTES), message);
  if (retryAfterSeconds !== undefined) {
    writer.tag(tagOf(3, WIRE_BYTES));
    const any = writer.begin();
    writer.stringField(tagOf(1, WIRE_BYTES), RETRY_INFO_URL);
    writer.tag(tagOf(2, WIRE_BYTES));
    const info = writer.begin();
    writer.tag(tagOf(1, WIRE_BYTES));
    const delay = writer.begin();
    writer.int64Field(tagOf(1, WIRE_VARINT), retryAfterSeconds);
    writer.end(delay);
    writer.end(info);
    writer.end(any);
  }
  return writer.finish();
}

/** The same in JSON; details are left to the Retry-After header. */
export function statusJson({ code, message }: Status): string {
  return JSON.stringify({ code, message });
}
