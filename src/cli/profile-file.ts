import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import type { Readable } from "node:stream";
import {
  type EncodableFormat,
  formatNamed,
  formatOfContent,
  formatOfPath,
  isEncodable,
  type ProfileFormat,
  unknownExtension,
} from "../profiles/formats.ts";
import type { ProfileBatch } from "../profiles/profile.ts";
import { fileError } from "../support/atomic-file.ts";
import { CollectorError, limitExceeded } from "../support/errors.ts";
import { FILE_LIMITS } from "../support/limits.ts";
import { STANDARD_STREAM } from "../support/output.ts";

/**
 * The format that an output is to be written in: by name when one is given, else by extension.
 *
 * @throws CollectorError CONFIG_INVALID  an unknown format, one that can only be read, or bytes
 *   that are not text on a terminal
 */
export function encodableFormat(path: string, name: string | undefined): EncodableFormat {
  const format = name === undefined ? formatOfOutput(path) : formatNamed(name);
  if (!isEncodable(format)) {
    throw new CollectorError("CONFIG_INVALID", `${format.name} can be read but not written`);
  }
  if (path === STANDARD_STREAM && process.stdout.isTTY && !format.isText) {
    throw new CollectorError(
      "CONFIG_INVALID",
      `${format.name} is not for a terminal: name a file with -o, or use --format folded`,
    );
  }
  return format;
}

function formatOfOutput(path: string): ProfileFormat {
  if (path === STANDARD_STREAM) return formatNamed("pprof");
  const format = formatOfPath(path);
  if (format === undefined) throw unknownExtension(path);
  return format;
}

/**
 * Reads a profile from a file, or from standard input for `-`. Without a format's name the
 * extension tells it, and where that is unknown the content.
 */
export async function readProfile(path: string, name: string | undefined): Promise<ProfileBatch> {
  const named = name === undefined ? formatOfPath(path) : formatNamed(name);
  const bytes =
    path === STANDARD_STREAM ? await readAll(process.stdin, path) : await readFile(path);
  const format = named ?? formatOfContent(bytes);
  if (format === undefined) {
    throw new CollectorError(
      "INPUT_MALFORMED",
      `${path}: neither its extension nor its content is a known format: name it with --from`,
    );
  }
  return withPath(path, () => format.decode(bytes, FILE_LIMITS));
}

async function readFile(path: string): Promise<Uint8Array> {
  try {
    const file = await open(path, "r");
    await using _closed = { [Symbol.asyncDispose]: () => file.close() };
    const status = await file.stat();
    if (status.isDirectory()) throw Object.assign(new Error(), { code: "EISDIR" });
    if (status.size > FILE_LIMITS.wireBytesMax) {
      throw limitExceeded(path, "bytes", status.size, FILE_LIMITS.wireBytesMax);
    }
    if (status.isFile()) return await file.readFile();
  } catch (error) {
    throw error instanceof CollectorError ? error : fileError(path, error, "read");
  }
  // A pipe or a device, as <(perf script): its size is known only at its end.
  return readAll(createReadStream(path), path);
}

async function readAll(stream: Readable, path: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let byteCount = 0;
  for await (const chunk of stream) {
    byteCount += chunk.length;
    if (byteCount > FILE_LIMITS.wireBytesMax) {
      throw limitExceeded(path, "bytes", byteCount, FILE_LIMITS.wireBytesMax);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Puts the file's name in front of what a decoder, which knows only bytes, has to say. */
function withPath<Result>(path: string, decode: () => Result): Result {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof CollectorError)) throw error;
    throw new CollectorError(error.code, `${path}: ${error.message}`, { cause: error });
  }
}
