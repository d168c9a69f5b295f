import { limitExceeded, malformed } from "../../support/errors.ts";
import type { ProfileLimits } from "../../support/limits.ts";
import { nodeZlib } from "../zlib.ts";

/** True when the bytes begin as a gzip member does. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/**
 * Undoes gzip, of one member or of several, when the bytes are gzip; else returns them as they
 * are. Stops as soon as the output is larger than allowed.
 *
 * @param name  what the bytes are, for error messages
 * @throws INPUT_MALFORMED  broken gzip
 * @throws LIMIT_EXCEEDED   larger than allowed, before or after
 */
export function inflated(bytes: Uint8Array, limits: ProfileLimits, name: string): Uint8Array {
  if (bytes.length > limits.wireBytesMax) {
    throw limitExceeded(name, "bytes", bytes.length, limits.wireBytesMax);
  }
  if (!isGzip(bytes)) {
    if (bytes.length <= limits.inflatedBytesMax) return bytes;
    throw limitExceeded(name, "bytes", bytes.length, limits.inflatedBytesMax);
  }
  const zlib = nodeZlib();
  if (zlib === undefined) throw malformed(name, "it is still compressed");
  try {
    return zlib.gunzipSync(bytes, { maxOutputLength: limits.inflatedBytesMax });
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : "";
    if (code === "ERR_BUFFER_TOO_LARGE") {
      const limit = limits.inflatedBytesMax;
      throw limitExceeded(name, "inflated bytes", limit + 1, limit);
    }
    throw malformed(name, `its gzip is broken (${cause instanceof Error ? cause.message : cause})`);
  }
}
