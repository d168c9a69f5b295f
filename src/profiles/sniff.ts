import { decodeUtf8 } from "../support/byte-reader.ts";
import { parseHeader } from "./perf_script/lines.ts";
import { isGzip } from "./pprof/inflate.ts";
import { PROFILE_NOTE } from "./pprof/wire.ts";
import { ProtoReader, WIRE_BYTES, WIRE_VARINT } from "./protobuf/reader.ts";

/** Tells formats apart by their content. A look, not a check: the decoder has the last word. */

/** How much of a text is looked at. */
const TEXT_BYTES = 64 * 1024;
/** Top-level fields of a message that are looked at; enough to meet a table of either format. */
const FIELDS_MAX = 1_000_000;

/** gzip is pprof's: no other format here is compressed by its own definition. */
export function isPprof(bytes: Uint8Array): boolean {
  return isGzip(bytes) || messageKind(bytes) === "pprof";
}

export function isOtlp(bytes: Uint8Array): boolean {
  return messageKind(bytes) === "otlp";
}

export function isSpeedscope(bytes: Uint8Array): boolean {
  return (
    isJson(bytes) && (has(bytes, "speedscope.app/file-format-schema") || has(bytes, '"shared"'))
  );
}

export function isOtlpJson(bytes: Uint8Array): boolean {
  const names = ['"resourceProfiles"', '"resource_profiles"', '"dictionary"'];
  return isJson(bytes) && names.some((name) => has(bytes, name));
}

export function isPerfScript(bytes: Uint8Array): boolean {
  const lines = firstLines(bytes);
  const first = lines.find((line) => line.trim() !== "" && !line.startsWith("#"));
  if (first === undefined) return false;
  const header = parseHeader(first);
  if (!header) return false;
  if (header.event !== "" || header.timeNanos >= 0) return true;
  // Without a time and an event only the frame below tells a name from anything else.
  const below = lines[lines.indexOf(first) + 1] ?? "";
  return /^\s+[0-9a-f]{1,16}(\s|$)/.test(below);
}

export function isFolded(bytes: Uint8Array): boolean {
  const first = firstLines(bytes).find((line) => line !== "");
  return first !== undefined && /^.*[^ ].* -?[0-9]+$/.test(first);
}

/**
 * OTLP's message has the fields 1 and 2, both messages. Every pprof profile has a string table
 * (6), and the same two fields mean other things.
 */
function messageKind(bytes: Uint8Array): "pprof" | "otlp" | undefined {
  if (bytes.length === 0) return undefined;
  const reader = new ProtoReader(bytes, "profile");
  let isPprofOnly = false;
  try {
    for (let fields = 0; reader.offset < reader.end && fields < FIELDS_MAX; fields++) {
      const tag = reader.tag();
      if (tag === PROFILE_NOTE) return "pprof";
      const field = tag >>> 3;
      const wireType = tag & 7;
      const isVarint = field >= 7 && field <= 15 && field !== 11;
      const isPackedComment = field === 13 && wireType === WIRE_BYTES;
      if (field < 1 || field > 15) return undefined;
      if (wireType !== (isVarint ? WIRE_VARINT : WIRE_BYTES) && !isPackedComment) return undefined;
      if (field > 2) isPprofOnly = true;
      reader.skip(tag);
    }
  } catch {
    return undefined;
  }
  return isPprofOnly ? "pprof" : "otlp";
}

function isJson(bytes: Uint8Array): boolean {
  for (const byte of bytes.subarray(0, TEXT_BYTES)) {
    if (byte === 0x7b) return true;
    if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) break;
  }
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[3] === 0x7b;
}

function has(bytes: Uint8Array, text: string): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(text);
}

/** The lines of the beginning; none when it is no text. */
function firstLines(bytes: Uint8Array): string[] {
  const text = decodeUtf8(bytes.subarray(0, TEXT_BYTES));
  if (text.includes("\0")) return [];
  return text.split(/\r?\n/);
}
