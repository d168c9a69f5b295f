/**
 * Which calls were inlined at an address, as Go's own tracebacks know it. Of a function's other
 * tables the third says for an address which entry of its tree was inlined there, −1 for none; the
 * tree is the fourth of the function's data, outside of pclntab:
 *
 *   1.16 – 1.19 parent i16, kind u8, 1 byte, file u32, line u32, name u32, call i32
 *   since 1.20  kind u8, 3 bytes, name u32, call i32, first line i32
 *
 * `name` is a place among pclntab's names. `call` is the place of an instruction of the function,
 * from its start on, that stands for the code around the call: its line is that of the call, and
 * the entry that is inlined there is the one around this.
 * Source: Go's src/runtime/symtabinl.go of each version.
 */
import { malformed } from "../../support/errors.ts";
import type { FileSegments } from "../cfi/file-segments.ts";
import type { ElfFile } from "../elf/elf-file.ts";
import { GoBytes } from "./go-bytes.ts";
import type { GoFunction, GoPlace, Pclntab } from "./pclntab.ts";
import { PCLNTAB_MAGICS } from "./pclntab-place.ts";

/** Compilers stop far before it; OpenTelemetry's reader has the same. */
const INLINE_DEPTH_MAX = 256;
/** Entries of one tree: Go's own reader has the same. */
const ENTRIES_MAX = 2 ** 20;
const INLINE_INDEX_TABLE = 2;
const INLINE_TREE_DATA = 3;

/** One function at an address, with the place in it. */
export interface GoFrame extends Partial<GoPlace> {
  readonly name: string;
}

export class InlineTree {
  readonly #elf: ElfFile;
  readonly #table: Pclntab;
  readonly #segments: FileSegments;
  readonly #dataStart: number;
  readonly #file: GoBytes;
  readonly #entry: { readonly byteCount: number; readonly nameAt: number; readonly callAt: number };

  /** @param dataStart  the address that functions' data counts from since Go 1.18 */
  constructor(elf: ElfFile, table: Pclntab, segments: FileSegments, dataStart: number) {
    this.#elf = elf;
    this.#table = table;
    this.#segments = segments;
    this.#dataStart = dataStart;
    const { access } = elf;
    this.#file = new GoBytes(access, { offset: 0, byteCount: access.size }, table.parts.order);
    this.#entry =
      table.parts.magic === PCLNTAB_MAGICS.go120
        ? { byteCount: 16, nameAt: 4, callAt: 8 }
        : { byteCount: 20, nameAt: 12, callAt: 16 };
  }

  /**
   * All functions at an address, innermost first; the last is the one that is there.
   *
   * @throws INPUT_MALFORMED  the tree is broken
   */
  framesAt(function_: GoFunction, address: number): GoFrame[] {
    const table = this.#table;
    const tree = table.functionData(function_, INLINE_TREE_DATA, this.#dataStart);
    const frames: GoFrame[] = [];
    for (let at = address; frames.length < INLINE_DEPTH_MAX; ) {
      const place = table.placeAt(function_, at);
      const entry = table.dataAt(function_, INLINE_INDEX_TABLE, at) ?? -1;
      if (tree === undefined || entry < 0) {
        frames.push({ name: table.nameOf(function_), ...place });
        return frames;
      }
      const { name, call } = this.#read(tree, entry);
      frames.push({ name, ...place });
      at = function_.start + call;
      if (!(at >= function_.start && at < function_.end)) break;
    }
    throw malformed(this.#elf.access.name, "calls are inlined into one another without an end");
  }

  #read(tree: number, entry: number): { readonly name: string; readonly call: number } {
    const { access } = this.#elf;
    const { byteCount, nameAt, callAt } = this.#entry;
    const offset = this.#segments.offsetOf(tree + entry * byteCount);
    if (!(entry < ENTRIES_MAX && offset + byteCount <= access.size)) {
      throw malformed(access.name, `has no inlined call ${entry} at ${tree}`);
    }
    const name = this.#table.nameAt(this.#file.u32(offset + nameAt));
    if (name === "") throw malformed(access.name, `inlined call ${entry} has no name`);
    return { name, call: this.#file.i32(offset + callAt) };
  }
}
