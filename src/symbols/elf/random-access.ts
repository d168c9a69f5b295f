import { fstatSync, readSync } from "node:fs";
import { limitExceeded, malformed } from "../../support/errors.ts";

/**
 * Bytes of a file that are read at once. Above the limits of all readers: it holds where one
 * believes a number of a hostile file. Descriptors read no more than 2^31 − 1 at once, anyway.
 */
export const READ_BYTES_MAX: number = 128 * 1024 * 1024;

/**
 * Bytes that are read in pieces. A file of a profiled process is read, never mapped: cutting it
 * while it is read gives an error here, where a mapping would give a SIGBUS.
 */
export interface RandomAccess {
  /** What error messages call the input. */
  readonly name: string;
  /** Bytes when it was opened. */
  readonly size: number;
  /**
   * Exactly `length` bytes from `offset` on. They may be a view of the input: never write.
   *
   * @throws INPUT_MALFORMED  when they are not there, or not any more
   * @throws LIMIT_EXCEEDED   when they are a file's and more than READ_BYTES_MAX
   */
  read(offset: number, length: number): Uint8Array;
  /** As `read`, of as many bytes as `target` has, into it. */
  readInto(target: Uint8Array, offset: number): void;
}

/** Reads an open file by position. The descriptor stays the caller's to close. */
export function fileAccess(fd: number, name: string): RandomAccess {
  const { size } = fstatSync(fd);
  return {
    name,
    size,
    read(offset, length) {
      requireRange(this, offset, length);
      if (length > READ_BYTES_MAX) throw limitExceeded(name, "bytes read", length, READ_BYTES_MAX);
      const bytes = new Uint8Array(length);
      this.readInto(bytes, offset);
      return bytes;
    },
    readInto(target, offset) {
      const { length } = target;
      requireRange(this, offset, length);
      let filled = 0;
      while (filled < length) {
        const count = readSync(fd, target, filled, length - filled, offset + filled);
        if (count === 0) throw malformed(name, `was cut at ${offset + filled} while it was read`);
        filled += count;
      }
    },
  };
}

/** Reads from memory, for what has no file: the vdso, a message, a test. */
export function bytesAccess(bytes: Uint8Array, name: string): RandomAccess {
  return {
    name,
    size: bytes.length,
    read(offset, length) {
      requireRange(this, offset, length);
      return bytes.subarray(offset, offset + length);
    },
    readInto(target, offset) {
      target.set(this.read(offset, target.length));
    },
  };
}

/** Checked before anything is allocated for it. */
function requireRange(access: RandomAccess, offset: number, length: number): void {
  if (offset >= 0 && length >= 0 && offset + length <= access.size) return;
  throw malformed(access.name, `${length} bytes at ${offset} are beyond its ${access.size} bytes`);
}
