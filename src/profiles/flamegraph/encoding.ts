import { type CollectorError, malformed } from "../../support/errors.ts";
import type { Exposure, FlameProfile, FlameSampleType, SampleColumns } from "./columns.ts";

/**
 * A FlameProfile as bytes, little endian:
 *
 *   magic     4 bytes "OBFP", u32 version
 *   facts     f64 array: nanoseconds and instances of the exposure
 *   heads     texts: title, then name and unit of each sample type
 *   names     texts
 *   files     texts
 *   frames    u32 arrays name, file, line; bytes kind
 *   stacks    u32 arrays parent, frame; of the parent the step from the row before
 *   labels    texts; u32 arrays key, value
 *   sets      u32 arrays ends, items
 *   samples   for each type u32 arrays stack, label set; f64 array value; the stack as steps
 *
 *   texts     u32 array of lengths in UTF-16 units, bytes of all texts together in UTF-8
 *   array     u32 count, u32 zero, entries, zeros up to a multiple of 8 bytes
 *
 * A difference is two profiles, each in bytes of its own. Nothing that is read is trusted: a page
 * may be handed any file.
 */
const MAGIC = 0x5046424f;
const VERSION = 1;

const WHAT = "flame graph data";
/** Sample types of one profile; heap profiles have four. */
const TYPES_MAX = 1024;

/** The bytes of a profile that is no difference, as above. */
export function encodeFlameProfile(profile: FlameProfile): Uint8Array<ArrayBuffer> {
  const writer = new ArrayWriter();
  writer.u32s(Uint32Array.of(MAGIC, VERSION));
  writer.f64s(Float64Array.of(profile.exposure.nanos, profile.exposure.instances));
  writer.texts([profile.title, ...profile.types.flatMap(({ name, unit }) => [name, unit])]);
  writer.texts(profile.names);
  writer.texts(profile.files);
  const { frames, stacks, labels, labelSets, types } = profile;
  for (const column of [frames.name, frames.file, frames.line]) writer.u32s(column);
  writer.bytes(frames.kind);
  writer.u32s(steps(stacks.parent));
  writer.u32s(stacks.frame);
  writer.texts(labels.texts);
  for (const column of [labels.key, labels.value]) writer.u32s(column);
  for (const column of [labelSets.ends, labelSets.items]) writer.u32s(column);
  for (const { samples } of types) {
    writer.u32s(steps(samples.stack));
    writer.u32s(samples.labelSet);
    writer.f64s(samples.value);
  }
  return writer.finish();
}

/** Whether bytes begin as those of a FlameProfile do. */
export function isFlameProfile(bytes: Uint8Array): boolean {
  return bytes.length >= 16 && [0x4f, 0x42, 0x46, 0x50].every((byte, at) => bytes[at + 8] === byte);
}

/**
 * Reads what `encodeFlameProfile` wrote. Columns may share the memory of `bytes`.
 *
 * @throws INPUT_MALFORMED  an unknown version, a column that ends early, an index out of range,
 *   a table that is not sorted
 */
export function decodeFlameProfile(bytes: Uint8Array): FlameProfile {
  const reader = new ArrayReader(bytes);
  const head = reader.u32s();
  if (head[0] !== MAGIC) throw malformed(WHAT, "it does not begin as such data does");
  if (head[1] !== VERSION) throw malformed(WHAT, `version ${head[1]} is not ${VERSION}`);
  const exposure = exposureOf(reader.f64s());
  const [title = "", ...heads] = reader.texts();
  if (heads.length > 2 * TYPES_MAX) throw malformed(WHAT, "it has too many sample types");
  const profile: FlameProfile = {
    title,
    exposure,
    names: reader.texts(),
    files: reader.texts(),
    frames: { name: reader.u32s(), file: reader.u32s(), line: reader.u32s(), kind: reader.bytes() },
    stacks: { parent: summed(reader.u32s()), frame: reader.u32s() },
    labels: { texts: reader.texts(), key: reader.u32s(), value: reader.u32s() },
    labelSets: { ends: reader.u32s(), items: reader.u32s() },
    types: typesOf(heads, reader),
  };
  reader.end();
  checkProfile(profile);
  return profile;
}

function exposureOf(facts: Float64Array): Exposure {
  const [nanos = 0, instances = 1] = facts;
  if (!(nanos >= 0 && instances >= 1)) throw malformed(WHAT, "its duration is no duration");
  return { nanos, instances };
}

function typesOf(heads: readonly string[], reader: ArrayReader): FlameSampleType[] {
  const types: FlameSampleType[] = [];
  for (let at = 0; at + 1 < heads.length; at += 2) {
    const samples: SampleColumns = {
      stack: summed(reader.u32s()),
      labelSet: reader.u32s(),
      value: reader.f64s(),
    };
    types.push({ name: heads[at] as string, unit: heads[at + 1] as string, samples });
  }
  return types;
}

/** Every index in range, every table as its type says. */
function checkProfile({ names, files, frames, stacks, labels, labelSets, types }: FlameProfile) {
  checkSorted("names", names);
  checkSorted("files", files);
  if (files[0] !== "") throw malformed(WHAT, "files do not begin with the empty one");
  const { name, file, line, kind } = frames;
  checkLengths("frames", [name, file, line, kind]);
  checkBelow("frame names", name, names.length);
  checkBelow("frame files", file, files.length);
  for (let at = 1; at < name.length; at++) {
    const step = (name[at] as number) - (name[at - 1] as number);
    if (step < 0 || (step === 0 && (file[at] as number) < (file[at - 1] as number))) {
      throw malformed(WHAT, `frame ${at} is out of order`);
    }
  }
  const { parent } = stacks;
  checkLengths("stacks", [parent, stacks.frame]);
  if (parent.length === 0) throw malformed(WHAT, "the empty stack is missing");
  checkBelow("stack frames", stacks.frame.subarray(1), name.length);
  for (let at = 1; at < parent.length; at++) {
    if ((parent[at] as number) >= at) throw malformed(WHAT, `stack ${at} stands before its caller`);
  }
  checkLengths("labels", [labels.key, labels.value]);
  checkBelow("label keys", labels.key, labels.texts.length);
  checkBelow("label values", labels.value, labels.texts.length);
  checkSets(labelSets.ends, labelSets.items.length);
  checkBelow("labels of sets", labelSets.items, labels.key.length);
  if (types.length === 0) throw malformed(WHAT, "it has no sample type");
  for (const { samples } of types) checkSamples(samples, parent.length, labelSets.ends.length);
}

function checkSamples({ stack, labelSet, value }: SampleColumns, stacks: number, sets: number) {
  checkLengths("samples", [stack, labelSet, value]);
  checkBelow("sample stacks", stack, stacks);
  checkBelow("sample label sets", labelSet, sets);
  for (let at = 0; at < value.length; at++) {
    if (!Number.isSafeInteger(value[at])) throw malformed(WHAT, `value ${at} is no exact integer`);
  }
}

function checkSets(ends: Uint32Array, items: number): void {
  let before = 0;
  for (const end of ends) {
    if (end < before) throw malformed(WHAT, "a label set ends before it begins");
    before = end;
  }
  if (before !== items) throw malformed(WHAT, "label sets do not end with their labels");
}

function checkSorted(what: string, texts: readonly string[]): void {
  for (let at = 1; at < texts.length; at++) {
    if (!((texts[at - 1] as string) < (texts[at] as string))) {
      throw malformed(WHAT, `${what} are not sorted at ${at}`);
    }
  }
}

function checkLengths(what: string, columns: readonly ArrayLike<number>[]): void {
  if (columns.some((column) => column.length !== columns[0]?.length)) {
    throw malformed(WHAT, `the columns of ${what} differ in length`);
  }
}

function checkBelow(what: string, column: Uint32Array, end: number): void {
  for (let at = 0; at < column.length; at++) {
    if ((column[at] as number) >= end) throw malformed(WHAT, `${what} are out of range at ${at}`);
  }
}

/** Each entry's step from the one before, modulo 2^32: small numbers, which deflate well. */
function steps(column: Uint32Array): Uint32Array {
  const result = new Uint32Array(column.length);
  let before = 0;
  for (let at = 0; at < column.length; at++) {
    result[at] = (column[at] as number) - before;
    before = column[at] as number;
  }
  return result;
}

function summed(column: Uint32Array): Uint32Array {
  const result = new Uint32Array(column.length);
  let sum = 0;
  for (let at = 0; at < column.length; at++) {
    sum = (sum + (column[at] as number)) >>> 0;
    result[at] = sum;
  }
  return result;
}

type Column = Uint8Array | Uint32Array | Float64Array;

/** Columns one after the other, each at a multiple of 8 bytes. */
class ArrayWriter {
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  u32s(column: Uint32Array): void {
    this.#append(column);
  }

  f64s(column: Float64Array): void {
    this.#append(column);
  }

  bytes(column: Uint8Array): void {
    this.#append(column);
  }

  texts(texts: readonly string[]): void {
    const wellFormed = texts.map((text) => text.toWellFormed());
    this.u32s(Uint32Array.from(wellFormed, ({ length }) => length));
    this.bytes(new TextEncoder().encode(wellFormed.join("")));
  }

  #append(column: Column): void {
    this.#add(new Uint8Array(Uint32Array.of(column.length, 0).buffer));
    this.#add(new Uint8Array(column.buffer, column.byteOffset, column.byteLength));
    this.#add(new Uint8Array(-this.#length & 7));
  }

  #add(part: Uint8Array): void {
    this.#parts.push(part);
    this.#length += part.length;
  }

  finish(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }
}

/** The way back; no count is believed that the bytes cannot hold. */
class ArrayReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    // Columns are views of the bytes, and begin where a view may.
    this.#bytes = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
    const { buffer, byteOffset, byteLength } = this.#bytes;
    this.#view = new DataView(buffer, byteOffset, byteLength);
  }

  u32s(): Uint32Array {
    const { at, count } = this.#take(4);
    return new Uint32Array(this.#bytes.buffer, at, count);
  }

  f64s(): Float64Array {
    const { at, count } = this.#take(8);
    return new Float64Array(this.#bytes.buffer, at, count);
  }

  bytes(): Uint8Array {
    const { at, count } = this.#take(1);
    return new Uint8Array(this.#bytes.buffer, at, count);
  }

  texts(): string[] {
    const lengths = this.u32s();
    const all = new TextDecoder("utf-8", { ignoreBOM: true }).decode(this.bytes());
    let end = 0;
    const texts = Array.from(lengths, (length) => {
      const start = end;
      end += length;
      return all.slice(start, end);
    });
    if (end !== all.length) throw this.#error("lengths of texts do not add up");
    return texts;
  }

  end(): void {
    if (this.#offset !== this.#bytes.length) throw this.#error("bytes follow the last column");
  }

  #take(width: number): { at: number; count: number } {
    const left = this.#bytes.length - this.#offset;
    const count = left < 8 ? 0 : this.#view.getUint32(this.#offset, true);
    const size = (8 + count * width + 7) & ~7;
    if (left < 8 || count > left / width || size > left) throw this.#error("a column ends early");
    const at = this.#bytes.byteOffset + this.#offset + 8;
    this.#offset += size;
    return { at, count };
  }

  #error(what: string): CollectorError {
    return malformed(`${WHAT} at offset ${this.#offset}`, what);
  }
}
