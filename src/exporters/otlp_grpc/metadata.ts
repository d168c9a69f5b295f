import { Metadata } from "@grpc/grpc-js";
import { CollectorError } from "../../support/errors.ts";
import type { SecretHeaders } from "../../transport/headers.ts";

const NAME = /^[0-9a-z_.-]+$/;
const PRINTABLE = /^[ -~]*$/;
/** Values of these names are bytes, which gRPC writes in base64. */
const BINARY_SUFFIX = "-bin";

/**
 * The headers of a configuration as gRPC sends them. They are checked before grpc-js does, whose
 * errors repeat the value [S14].
 *
 * @throws CollectorError CONFIG_INVALID  naming the header, never its value
 */
export function metadataOf(headers: SecretHeaders, waitForReady: boolean): Metadata {
  const metadata = new Metadata({ waitForReady });
  for (const [name, value] of headers) {
    const key = name.toLowerCase();
    const text = value?.reveal() ?? "";
    if (!NAME.test(key)) throw invalid(name, "is no name of gRPC metadata");
    if (key.endsWith(BINARY_SUFFIX)) metadata.set(key, Buffer.from(text, "utf8"));
    else if (PRINTABLE.test(text)) metadata.set(key, text);
    else throw invalid(name, "has a value that is not ASCII, which gRPC cannot send");
  }
  return metadata;
}

function invalid(name: string, what: string): CollectorError {
  return new CollectorError("CONFIG_INVALID", `headers::${name} ${what}`);
}
