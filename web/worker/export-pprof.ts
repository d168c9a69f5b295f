import type { FlameGraphColumns } from "../../src/profiles/flamegraph/columns.ts";
import { joinedBytes } from "./export-folded.ts";
import type { ShownStack } from "./shown-stacks.ts";

/**
 * Writes stacks as a pprof profile, compressed. Fields are those of pprof's profile.proto:
 *
 *   Profile    1 sample_type, 2 sample, 4 location, 5 function, 6 string_table
 *   ValueType  1 type, 2 unit                Sample    1 location_id (leaf first), 2 value
 *   Location   1 id, 4 line                  Line      1 function_id, 2 line
 *   Function   1 id, 2 name, 4 filename, 5 start_line
 */
export async function pprofOf(
  columns: FlameGraphColumns,
  stacks: Iterable<ShownStack>,
  type: { readonly name: string; readonly unit: string },
): Promise<Uint8Array> {
  const writer = new PprofWriter(columns);
  writer.sampleType(type.name, type.unit);
  for (const stack of stacks) writer.sample(stack);
  return await gzip(writer.finish());
}

class PprofWriter {
  readonly #columns: FlameGraphColumns;
  readonly #parts: Uint8Array[] = [];
  readonly #strings = new Map<string, number>([["", 0]]);
  /** A function and its only location have one id, by name, file and line. */
  readonly #functions = new Map<string, number>();

  constructor(columns: FlameGraphColumns) {
    this.#columns = columns;
  }

  sampleType(type: string, unit: string): void {
    const message = new Message();
    message.integer(1, this.#string(type));
    message.integer(2, this.#string(unit));
    this.#put(1, message);
  }

  sample({ nodes, value }: ShownStack): void {
    const sample = new Message();
    const ids = nodes.map((node) => this.#function(node)).reverse();
    sample.packed(1, ids);
    sample.packed(2, [value]);
    this.#put(2, sample);
  }

  finish(): Uint8Array {
    const encoder = new TextEncoder();
    for (const text of this.#strings.keys()) {
      const message = new Message();
      message.bytes(6, encoder.encode(text));
      this.#parts.push(message.finish());
    }
    return joinedBytes(this.#parts);
  }

  #function(node: number): number {
    const { names, files, name, file, line } = this.#columns;
    const key = `${name[node]} ${file[node]} ${line[node]}`;
    const known = this.#functions.get(key);
    if (known !== undefined) return known;
    const id = this.#functions.size + 1;
    this.#functions.set(key, id);
    const place = new Message();
    place.integer(1, id);
    place.integer(2, line[node] ?? 0);
    const location = new Message();
    location.integer(1, id);
    location.bytes(4, place.finish());
    this.#put(4, location);
    const fn = new Message();
    fn.integer(1, id);
    fn.integer(2, this.#string(names[name[node] ?? 0] ?? ""));
    fn.integer(4, this.#string(files[file[node] ?? 0] ?? ""));
    fn.integer(5, line[node] ?? 0);
    this.#put(5, fn);
    return id;
  }

  #string(text: string): number {
    const known = this.#strings.get(text);
    if (known !== undefined) return known;
    const index = this.#strings.size;
    this.#strings.set(text, index);
    return index;
  }

  #put(field: number, message: Message): void {
    const outer = new Message();
    outer.bytes(field, message.finish());
    this.#parts.push(outer.finish());
  }
}

/** One message of the protobuf wire format. */
class Message {
  readonly #bytes: number[] = [];

  integer(field: number, value: number): void {
    if (value === 0) return;
    this.#varint(field << 3);
    this.#varint(value);
  }

  packed(field: number, values: readonly number[]): void {
    const inner = new Message();
    for (const value of values) inner.#varint(value);
    this.bytes(field, inner.finish());
  }

  bytes(field: number, bytes: Uint8Array): void {
    this.#varint((field << 3) | 2);
    this.#varint(bytes.length);
    for (const byte of bytes) this.#bytes.push(byte);
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  /** Negative values, which only differences have, take ten bytes as two's complement. */
  #varint(value: number): void {
    let rest = BigInt.asUintN(64, BigInt(value));
    while (rest >= 0x80n) {
      this.#bytes.push(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    this.#bytes.push(Number(rest));
  }
}

async function gzip(bytes: Uint8Array): Promise<Uint8Array> {
  const packed = new Blob([new Uint8Array(bytes)])
    .stream()
    .pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}
