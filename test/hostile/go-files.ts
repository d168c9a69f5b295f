import { BASE, ElfImage, PAGE, PT_NOTE, SHT_NOTE, setWord, TEXT_AT } from "./elf-image.ts";
import { repeated } from "./frame-bytes.ts";
import type { HostileFile } from "./hostile-files.ts";

const MIB = 1024 * 1024;
const TEXT = BASE + TEXT_AT;
/** owner "Go\0\0", type 4: what makes a program one of Go. */
const GO_BUILD_ID = [4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 0x47, 0x6f, 0, 0, 0x68, 0x61, 0x68, 0x61];
/** cmp rsp, [r14 + 16]: how Go's functions begin. */
const GO_PROLOGUE = [0x49, 0x3b, 0x66, 0x10];
const HEADER_BYTES = 72;
const MAGIC = 0xfffffff1;
/** Bytes of a function that is small enough for its name to be looked at. */
const FUNCTION_BYTES = 16;
const NAME = Buffer.from(`${"n".repeat(64)}\0`);
const MILLION = 1_000_000;

function goImage(seconds: number, textBytes: number): ElfImage {
  const image = new ElfImage(seconds, textBytes);
  const offset = image.append(GO_BUILD_ID);
  const size = GO_BUILD_ID.length;
  image.programs.push({ type: PT_NOTE, offset, fileSize: size });
  image.sections.push({ name: ".note.go.buildid", type: SHT_NOTE, offset, size });
  const flags = 6;
  image.sections.push({ name: ".text", flags, offset: TEXT_AT, size: textBytes });
  return image;
}

export interface GoTable {
  readonly count: number;
  /** Of each function, from the text's start. */
  readonly entry: (index: number) => number;
  /** Pairs of a change and how far it holds; all functions have the same. */
  readonly places: Uint8Array;
}

/** A table of functions in which all are called the same and have the same places. */
function goTable({ count, entry, places }: GoTable): Uint8Array {
  const recordAt = 8 * (count + 1);
  const functionsAt = HEADER_BYTES + NAME.length + places.length + 7;
  const bytes = new Uint8Array(functionsAt + recordAt + 40);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  bytes.set([0, 0, 1, 8], 4);
  const words = [count, 0, TEXT, HEADER_BYTES, 0, 0, HEADER_BYTES + NAME.length, functionsAt];
  for (const [index, word] of words.entries()) setWord(view, 8 + 8 * index, word);
  bytes.set(NAME, HEADER_BYTES);
  bytes.set(places, HEADER_BYTES + NAME.length);
  for (let index = 0; index <= count; index++) {
    view.setUint32(functionsAt + 8 * index, entry(index), true);
    view.setUint32(functionsAt + 8 * index + 4, recordAt, true);
  }
  return bytes;
}

/** A program of Go with the table, whose functions begin as Go's do. */
export function goProgram(seconds: number, table: GoTable, textBytes: number): ElfImage {
  const image = goImage(seconds, textBytes);
  // A quarter of some functions must begin as usual.
  const step = Math.max(Math.ceil(table.count / 64), 1);
  for (let index = 0; index < table.count; index += step) {
    const at = TEXT_AT + table.entry(index);
    if (at >= TEXT_AT + PAGE) image.place(at, Uint8Array.from(GO_PROLOGUE));
  }
  image.section(".gopclntab", goTable(table));
  return image;
}

/** Executables that say that they are Go's. */
export const goFiles: readonly HostileFile[] = [
  {
    name: "Go: 2,000 sections of read-only data in one place",
    image: (seconds) => {
      const image = goImage(seconds, PAGE);
      const size = 60 * MIB;
      const offset = image.hole(size);
      for (let index = 0; index < 2000; index++) {
        image.sections.push({ name: index % 2 === 0 ? ".rodata" : ".data.rel.ro", offset, size });
      }
      return image;
    },
  },
  {
    name: "Go: two million functions of 16 bytes",
    image: (seconds) => {
      const entry = (index: number): number => index * FUNCTION_BYTES;
      const table = { count: 2 * MILLION, entry, places: Uint8Array.from([2, 4, 16, 12, 0]) };
      return goProgram(seconds, table, 32 * MIB);
    },
  },
  {
    name: "Go: a function of eight million places",
    image: (seconds) => {
      const entry = (index: number): number => PAGE + index * 2 * MIB;
      // The stack pointer by turns at the entry and a word below it, for no bytes.
      const places = repeated([16, 0, 15, 0], 4 * MILLION);
      places[0] = 2;
      return goProgram(seconds, { count: 2, entry, places }, 8 * MIB);
    },
  },
  {
    name: "Go: two million functions in falling order",
    image: (seconds) => {
      const entry = (index: number): number => 31 * MIB - index * 8;
      const table = { count: 2 * MILLION, entry, places: Uint8Array.from([2, 4, 0]) };
      return goProgram(seconds, table, 32 * MIB);
    },
  },
  {
    name: "Go: a table of 2^63 functions",
    image: (seconds) => {
      const image = goImage(seconds, PAGE);
      const table = goTable({ count: 4, entry: (index) => index * 64, places: new Uint8Array(8) });
      setWord(new DataView(table.buffer), 8, 2n ** 63n);
      image.section(".gopclntab", table);
      return image;
    },
  },
];
