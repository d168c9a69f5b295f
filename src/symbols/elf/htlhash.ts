import { createHash } from "node:crypto";
import type { RandomAccess } from "./random-access.ts";

const END_BYTES = 4096;
const HASH_BYTES = 16;

/**
 * OpenTelemetry's identity of a file without a build id: the first 16 bytes, in hex, of the
 * SHA-256 of its first 4096 bytes, its last 4096 bytes (both shorter in a small file, where
 * they overlap) and its length as 64 bits, big endian.
 *
 * Source: OpenTelemetry semantic conventions, process.executable.build_id.htlhash.
 *
 * @throws INPUT_MALFORMED  when the file is cut meanwhile
 */
export function htlhash(access: RandomAccess): string {
  const endBytes = Math.min(END_BYTES, access.size);
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(BigInt(access.size));
  const digest = createHash("sha256")
    .update(access.read(0, endBytes))
    .update(access.read(access.size - endBytes, endBytes))
    .update(length)
    .digest();
  return digest.toString("hex", 0, HASH_BYTES);
}
