import type { ByteWriter } from "./byte-writer.ts";
import {
  type Abbreviation,
  ADDRESSES,
  AT_COMP_DIR,
  AT_NAME,
  AT_STMT_LIST,
  abbreviations,
  BAD_START,
  badFunction,
  type DebugParts,
  endSequence,
  FORM_SEC_OFFSET,
  FORM_STRING,
  FUNCTION_BYTES,
  FUNCTION_FORMS,
  lines,
  ROOT_FORMS,
  root,
  setAddress,
  TAG_COMPILE_UNIT,
  TAG_INLINED,
  TAG_SUBPROGRAM,
  unit,
} from "./debug-image.ts";
import { debugCase, requireEqual, type SymbolizeCase } from "./symbolize-case.ts";

const FUNCTION: Abbreviation = [TAG_SUBPROGRAM, false, ...FUNCTION_FORMS];
const WITH_LINES: Abbreviation = [
  TAG_COMPILE_UNIT,
  true,
  ...ROOT_FORMS,
  ...[AT_COMP_DIR, FORM_STRING, AT_STMT_LIST, FORM_SEC_OFFSET],
];

/** A unit of `bad` with a line program at an offset. */
function unitWithLines(parts: DebugParts, program: number, folder = "/src"): void {
  const table = abbreviations(parts, WITH_LINES, FUNCTION);
  unit(parts, { abbreviations: table }, (entries) => {
    root(entries).text(folder).u32(program);
    badFunction(entries, 2);
    entries.u8(0);
  });
}

type LineHeader = Parameters<typeof lines>[1];

function lineCase(
  name: string,
  write: (program: ByteWriter) => void,
  header: LineHeader = {},
): SymbolizeCase {
  return debugCase(name, (parts) => {
    unitWithLines(
      parts,
      lines(parts, header, (program) => write(setAddress(program, BAD_START))),
    );
  });
}

const SPECIAL = 0x20;

const programs: readonly SymbolizeCase[] = [
  lineCase("10 million rows at one address", (program) => {
    endSequence(program.times(10_000_000, [1]), FUNCTION_BYTES);
  }),
  lineCase("advances by 0, ten million times", (program) => {
    endSequence(program.times(5_000_000, [2, 0]), FUNCTION_BYTES);
  }),
  lineCase("10 million rows, an address each", (program) => {
    endSequence(program.times(10_000_000, [SPECIAL]), FUNCTION_BYTES);
  }),
  lineCase("40 million rows, an address each", (program) => {
    endSequence(program.times(40_000_000, [SPECIAL]), FUNCTION_BYTES);
  }),
  lineCase("a million sequences of one row", (program) => {
    program.times(1_000_000, [SPECIAL, 2, 1, 0, 1, 1]);
  }),
  lineCase("a line range of 0", (program) => endSequence(program.u8(SPECIAL), 8), { lineRange: 0 }),
  lineCase("an opcode base of 0", (program) => endSequence(program.u8(1), 8), { opcodeBase: 0 }),
  lineCase("an opcode base of 255", (program) => endSequence(program.u8(1), 8), {
    opcodeBase: 255,
  }),
  lineCase(
    "instructions of 0 bytes",
    (program) => endSequence(program.times(1_000_000, [SPECIAL]), 8),
    { instructionBytes: 0 },
  ),
  lineCase("extended operations that are longer than the program", (program) => {
    program
      .u8(1, 0)
      .uleb(2n ** 60n)
      .u8(1);
  }),
  lineCase("extended operations of no bytes", (program) => {
    endSequence(program.times(1_000_000, [0, 0]).u8(1), 8);
  }),
  lineCase("an address of 200 bytes", (program) => {
    endSequence(program.u8(0).uleb(200).u8(2).times(199, [0x40]).u8(1), 8);
  }),
  lineCase("advances by 2^64 − 1", (program) => {
    program.u8(1, 2).uleb(2n ** 64n - 1n);
    endSequence(program.u8(1), 8);
  }),
  lineCase("lines, columns and files beyond all numbers", (program) => {
    program
      .u8(3)
      .uleb(2n ** 62n)
      .u8(5)
      .uleb(2n ** 62n)
      .u8(4)
      .uleb(2n ** 62n);
    endSequence(program.u8(1), FUNCTION_BYTES);
  }),
  lineCase("a number that does not end", (program) => {
    program.u8(1, 2).times(1_000_000, [0x80]);
  }),
  lineCase("a million files", (program) => endSequence(program.u8(1), FUNCTION_BYTES), {
    moreFiles: (line) => line.times(1_000_000, [0x61, 0, 0, 0, 0]),
  }),
  lineCase("more files than are real", (program) => endSequence(program.u8(1), FUNCTION_BYTES), {
    moreFiles: (line) => line.times(4_000_000, [0x61, 0, 0, 0, 0]),
  }),
  lineCase("a file of 10 MB", (program) => endSequence(program.u8(1), FUNCTION_BYTES), {
    file: "a".repeat(10_000_000),
  }),
  lineCase("a program that is longer than its section", (program) => program.u8(1), {
    length: 0x7fff_ffff,
  }),
  lineCase("a program of no bytes", (program) => program.u8(1), { length: 0 }),
  ...[0xffff_fff0, 0xffff_fffe].map((length) =>
    lineCase(`a program of ${length} bytes`, (program) => program.u8(1), { length }),
  ),
  debugCase("a program that is not there", (parts) => unitWithLines(parts, 0xffff_ff00)),
  debugCase("a folder of 10 MB in the entries", (parts) => {
    const program = lines(parts, {}, (line) => {
      endSequence(setAddress(line, BAD_START).u8(1), FUNCTION_BYTES);
    });
    unitWithLines(parts, program, "/a".repeat(5_000_000));
  }),
  debugCase("200 calls from a file of 10 MB", (parts) => {
    const header = { file: "a".repeat(10_000_000) };
    const program = lines(parts, header, (line) => {
      endSequence(setAddress(line, BAD_START).u8(1), FUNCTION_BYTES);
    });
    const call = [AT_NAME, FORM_STRING, 0x58, 0x0b, 0x59, 0x0b, ...ROOT_FORMS];
    const table = abbreviations(
      parts,
      WITH_LINES,
      [TAG_SUBPROGRAM, true, ...FUNCTION_FORMS],
      [TAG_INLINED, true, ...call],
    );
    unit(parts, { abbreviations: table }, (entries) => {
      root(entries).text("/src").u32(program);
      badFunction(entries, 2);
      for (let index = 0; index < 200; index++) {
        entries.uleb(3).text("in").u8(1, 1).u64(BAD_START).u64(FUNCTION_BYTES);
      }
      entries.times(202, [0]);
    });
  }),
];

/** No unit says where its code is, so that the lines of each have to tell. */
const searches: readonly SymbolizeCase[] = [
  debugCase("20,000 units of one program of a million rows", (parts) => {
    const program = lines(parts, {}, (line) => {
      endSequence(setAddress(line, BAD_START).times(1_000_000, [SPECIAL]), FUNCTION_BYTES);
    });
    const table = abbreviations(parts, [TAG_COMPILE_UNIT, true, AT_STMT_LIST, FORM_SEC_OFFSET]);
    for (let index = 0; index < 20_000; index++) {
      unit(parts, { abbreviations: table }, (entries) => entries.uleb(1).u32(program).u8(0));
    }
  }),
  debugCase("units of 2.8 and of 9 million rows around an address", (parts) => {
    for (const rows of [8_900_000, 2_800_000]) {
      const program = lines(parts, {}, (line) => {
        endSequence(setAddress(line, BAD_START).times(rows, [SPECIAL]), FUNCTION_BYTES);
      });
      const table = abbreviations(parts, WITH_LINES);
      unit(parts, { abbreviations: table }, (e) => root(e).text("").u32(program).u8(0));
    }
  }),
  debugCase("64 units around an address, of one program of 3 million rows", (parts) => {
    const program = lines(parts, {}, (line) => {
      endSequence(setAddress(line, BAD_START).times(3_000_000, [SPECIAL]), FUNCTION_BYTES);
    });
    for (let index = 0; index < 64; index++) {
      const table = abbreviations(parts, WITH_LINES);
      unit(parts, { abbreviations: table }, (e) => root(e).text("").u32(program).u8(0));
    }
  }),
];

/** The same for many addresses: what is read for each of them anew adds up. */
function askedOften(one: SymbolizeCase): SymbolizeCase {
  const more = Array.from({ length: 100 }, (_, index) => BAD_START + 8 + index);
  return {
    ...one,
    name: `${one.name}, asked often`,
    addresses: [...ADDRESSES, ...more],
    check: ({ answers }) => {
      const found = answers.map(({ frames }) => frames.at(-1)?.systemName);
      requireEqual(found, ["good", "bad", undefined, ...more.map(() => "bad")]);
    },
  };
}

/** Line programs. */
export const lineFiles: readonly SymbolizeCase[] = [
  ...programs,
  ...searches,
  ...searches.filter(({ name }) => name.includes("one program")).map(askedOften),
];
