/**
 * `runtime.firstmoduledata`: what a Go program tells itself about where its parts are. Of words as
 * long as a pointer; a slice is three: where it is, its length, its room:
 *
 *   0   pcHeader, the address of the table of functions; then the slices of its parts: names 1,
 *       units 4, files 7, places 10, functions 13, their index 16
 *   19  findfunctab, minpc, maxpc; 22 text, etext; the starts and ends of the data
 *   …   types, etypes, rodata, gofunc: what the records of functions count their data from;
 *       38 in Go 1.18 and 1.19, 40 since 1.20
 *
 * In a program that is loaded anywhere the words may be 0 in the file, and what a loader writes
 * there stands in a table of relocations.
 * Source: Go's src/runtime/symtab.go of each version, src/cmd/link/internal/ld/symtab.go.
 */
import { FileSegments } from "../cfi/file-segments.ts";
import { type ElfFile, type Section, SHT_NOBITS } from "../elf/elf-file.ts";
import { GoBytes } from "./go-bytes.ts";
import { PCLNTAB_MAGICS, type PclntabPlace } from "./pclntab-place.ts";

/** Of data in which the words are searched; the largest program seen has 20 MB. */
const SEARCHED_BYTES_MAX = 128 * 1024 * 1024;
const SEARCHED_AT_ONCE = 1024 * 1024;
/** Addresses of the table that stand anywhere, and not in such data. */
const CANDIDATES_MAX = 32;
/** Of a program of 100 MB. */
const RELOCATIONS_MAX = 4_000_000;
const WORDS = 48;
const TEXT_WORD = 22;
const FUNCTIONS_WORD = 13;
const GOFUNC_WORD_GO118 = 38;
const GOFUNC_WORD_GO120 = 40;
const SHT_RELA = 4;
const RELA_BYTES = 24;
const DATA_SECTIONS: readonly string[] = [".noptrdata", ".data", ".data.rel.ro"];

export interface GoModule {
  /** The address that functions count from, since Go 1.18. */
  readonly text: number;
  /** The address that functions' data counts from, since Go 1.18. */
  readonly functionData: number;
}

/** Where the table lies in memory and where its parts are. */
export interface PclntabParts extends Pick<PclntabPlace, "magic" | "offset" | "order"> {
  /** Of the records of functions, in the table. */
  readonly functions: number;
}

/** Undefined of a Go before 1.18, whose table holds addresses, and where it is not found. */
export function findGoModule(elf: ElfFile, parts: PclntabParts): GoModule | undefined {
  const { magic, offset } = parts;
  if (magic !== PCLNTAB_MAGICS.go118 && magic !== PCLNTAB_MAGICS.go120) return undefined;
  const search = new ModuleSearch(elf, parts);
  const table = search.segments.addressOf(offset);
  if (!Number.isSafeInteger(table)) return undefined;
  for (const address of search.candidates(table)) {
    const words = search.wordsAt(address);
    // The second word leaves no doubt.
    if (words?.[0] !== table || words[FUNCTIONS_WORD] !== table + parts.functions) continue;
    const text = words[TEXT_WORD] as number;
    const place = magic === PCLNTAB_MAGICS.go118 ? GOFUNC_WORD_GO118 : GOFUNC_WORD_GO120;
    return { text, functionData: words[place] as number };
  }
  return undefined;
}

class ModuleSearch {
  readonly segments: FileSegments;
  readonly #elf: ElfFile;
  readonly #parts: PclntabParts;
  readonly #wordBytes: number;

  constructor(elf: ElfFile, parts: PclntabParts) {
    this.#elf = elf;
    this.#parts = parts;
    this.#wordBytes = parts.order.pointerBytes;
    this.segments = new FileSegments(elf);
  }

  /** Addresses where the module's data may begin: those of words that hold the table's. */
  *candidates(table: number): Generator<number> {
    const own = this.#elf.sections.find(({ name }) => name.endsWith(".go.module"));
    if (own !== undefined) yield Number(own.address);
    let count = 0;
    for (const address of this.#places(table)) {
      if (count++ >= CANDIDATES_MAX) return;
      yield address;
    }
  }

  /** As they are when the program is loaded; undefined when the file does not hold them. */
  wordsAt(address: number): Float64Array | undefined {
    const byteCount = WORDS * this.#wordBytes;
    const offset = this.segments.offsetOf(address);
    const { access } = this.#elf;
    if (!(offset + byteCount <= access.size)) return undefined;
    const bytes = new GoBytes(access, { offset, byteCount }, this.#parts.order);
    const words = Float64Array.from({ length: WORDS }, (_, index) =>
      bytes.word(index * this.#wordBytes),
    );
    if (words[0] !== 0) return words;
    for (const { place, value } of this.#relocations()) {
      const index = (place - address) / this.#wordBytes;
      if (index >= 0 && index < WORDS && Number.isInteger(index)) words[index] = value;
    }
    return words;
  }

  *#places(table: number): Generator<number> {
    const { littleEndian } = this.#parts.order;
    const wanted = Buffer.alloc(8);
    if (littleEndian) wanted.writeBigUInt64LE(BigInt(table));
    else wanted.writeBigUInt64BE(BigInt(table));
    const word =
      this.#wordBytes === 8 ? wanted : wanted.subarray(littleEndian ? 0 : 4, littleEndian ? 4 : 8);
    let left = SEARCHED_BYTES_MAX;
    for (const { offset, size } of this.#dataAreas()) {
      const end = Math.min(offset + size, this.#elf.access.size);
      for (let at = offset; at < end && left > 0; at += SEARCHED_AT_ONCE) {
        const length = Math.min(SEARCHED_AT_ONCE, end - at);
        left -= length;
        for (const place of placesIn(this.#elf.access.read(at, length), word)) {
          yield this.segments.addressOf(at + place);
        }
      }
    }
    for (const { place, value } of this.#relocations()) if (value === table) yield place;
  }

  #dataAreas(): readonly { readonly offset: number; readonly size: number }[] {
    const { sections, segments } = this.#elf;
    if (sections.length > 0) {
      return DATA_SECTIONS.flatMap((wanted) =>
        sections.filter(({ name, type }) => name === wanted && type !== SHT_NOBITS),
      );
    }
    return segments
      .filter(({ executable }) => !executable)
      .map(({ fileOffset, fileSize }) => ({ offset: Number(fileOffset), size: Number(fileSize) }))
      .reverse();
  }

  /** Of those without a symbol: all that the linker of Go makes for its own data. */
  *#relocations(): Generator<{ readonly place: number; readonly value: number }> {
    if (this.#wordBytes !== 8) return;
    let left = RELOCATIONS_MAX;
    for (const section of this.#elf.sections.filter(({ type }) => type === SHT_RELA)) {
      const bytes = this.#bytesOf(section);
      for (let at = 0; at + RELA_BYTES <= bytes.length; at += RELA_BYTES) {
        if (left-- <= 0) return;
        const symbol = bytes.u32(at + (this.#parts.order.littleEndian ? 12 : 8));
        if (symbol === 0) yield { place: bytes.word(at), value: bytes.word(at + 16) };
      }
    }
  }

  #bytesOf({ offset, size }: Section): GoBytes {
    const { access } = this.#elf;
    const byteCount = Math.max(0, Math.min(size, access.size - offset));
    return new GoBytes(access, { offset, byteCount }, this.#parts.order);
  }
}

/** Where a word stands, at whole words only. */
function* placesIn(bytes: Uint8Array, word: Buffer): Generator<number> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = buffer.indexOf(word); at >= 0; at = buffer.indexOf(word, at + 1)) {
    if (at % word.length === 0) yield at;
  }
}
