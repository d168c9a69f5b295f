/**
 * Writes ELF files with nothing but what Go's linker puts into a program for its own tracebacks, of
 * every generation, width and byte order. Layouts as in ../pclntab.ts, ../module-data.ts and
 * ../inline-tree.ts.
 */
import { PCLNTAB_MAGICS } from "../pclntab-place.ts";
import { treesAddress, writeGoImage } from "./go-image-writer.ts";
import { type Strings, stringsOf, WordWriter } from "./word-writer.ts";

/** What holds for some bytes of code, in order from the function's start on. */
export interface WrittenPiece {
  readonly byteCount: number;
  readonly file: string;
  readonly line: number;
  /** Index in the function's `calls` of what is inlined there; −1 or nothing for none. */
  readonly call?: number;
}

/** An inlined call. */
export interface WrittenCall {
  readonly name: string;
  /** From the function's start on: the instruction that stands for the code around. */
  readonly at: number;
}

export interface WrittenFunction {
  readonly name: string;
  readonly pieces: readonly WrittenPiece[];
  /** Without a tree since Go 1.18 when left out. */
  readonly calls?: readonly WrittenCall[];
  /** Behind the pieces. */
  readonly padding?: number;
}

export interface WrittenGoProgram {
  readonly version: keyof typeof PCLNTAB_MAGICS;
  readonly is64?: boolean;
  readonly littleEndian?: boolean;
  /** Bytes in which code is counted. */
  readonly unit?: number;
  /** The header says where the text begins, as it does until Go 1.25. */
  readonly hasText?: boolean;
  /** How the module is found. */
  readonly module?: "section" | "data" | "relocations" | "none";
  readonly functions: readonly WrittenFunction[];
}

const NO_DATA = 2 ** 32 - 1;
/** Where the text begins. */
export const TEXT_ADDRESS = 0x40_1000;

/** What the parts of one program have in common. */
interface Program extends Required<Omit<WrittenGoProgram, "functions">> {
  readonly functions: readonly WrittenFunction[];
  /** From the text's start on. */
  readonly starts: readonly number[];
  readonly textBytes: number;
}

export function writeGoProgram(written: WrittenGoProgram): Uint8Array {
  const program = withDefaults(written);
  const trees = new WordWriter(program.is64, program.littleEndian);
  const names = nameTable(program);
  const treePlaces = program.functions.map(({ calls }) => {
    trees.align(4);
    return calls === undefined ? -1 : writeTree(trees, calls, { program, names });
  });
  const table = isOld(program)
    ? writeOldTable(program)
    : writeNewTable(program, { names, treePlaces });
  const { version, is64, littleEndian, module, textBytes } = program;
  return writeGoImage({
    ...{ version, is64, littleEndian, module, textBytes, table },
    trees: trees.bytes,
    textAddress: TEXT_ADDRESS,
  });
}

function withDefaults(written: WrittenGoProgram): Program {
  const starts: number[] = [];
  let end = 0;
  for (const { pieces, padding = 0 } of written.functions) {
    starts.push(end);
    end += pieces.reduce((sum, { byteCount }) => sum + byteCount, padding);
  }
  return {
    ...{ is64: true, littleEndian: true, unit: 1, hasText: true, module: "section" },
    ...written,
    starts,
    textBytes: end,
  };
}

function isOld({ version }: Program): boolean {
  return version === "go12";
}

function nameTable(program: Program): Strings {
  const names = program.functions.flatMap(({ name, calls = [] }) => [
    name,
    ...calls.map((call) => call.name),
  ]);
  return stringsOf(names);
}

function filesOf({ functions }: Program): string[] {
  return [...new Set(functions.flatMap(({ pieces }) => pieces.map(({ file }) => file)))];
}

function writeTree(
  trees: WordWriter,
  calls: readonly WrittenCall[],
  { program, names }: { program: Program; names: Strings },
): number {
  const start = trees.length;
  for (const { name, at } of calls) {
    const place = names.places.get(name) ?? 0;
    if (program.version !== "go120") {
      trees.i16(-1);
      trees.u8(0, 0);
      trees.u32(0, 0, place, at);
    } else {
      trees.u8(0, 0, 0, 0);
      trees.u32(place, at, 1);
    }
  }
  return start;
}

/** A table of places of one number of each piece. */
function placesTable(
  { pieces }: WrittenFunction,
  unit: number,
  numberOf: (piece: WrittenPiece) => number,
): Uint8Array {
  const bytes: number[] = [];
  let before = -1;
  for (const piece of joinedPieces(pieces, numberOf)) {
    const change = piece.value - before;
    bytes.push(...uleb128(change < 0 ? -2 * change - 1 : 2 * change));
    bytes.push(...uleb128(piece.byteCount / unit));
    before = piece.value;
  }
  return Uint8Array.from([...bytes, 0]);
}

/** A change of 0 would end the table. */
function joinedPieces(
  pieces: readonly WrittenPiece[],
  numberOf: (piece: WrittenPiece) => number,
): { value: number; byteCount: number }[] {
  const joined: { value: number; byteCount: number }[] = [];
  for (const piece of pieces) {
    const [value, last] = [numberOf(piece), joined.at(-1)];
    if (last?.value === value) last.byteCount += piece.byteCount;
    else joined.push({ value, byteCount: piece.byteCount });
  }
  return joined;
}

function uleb128(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return [...bytes, rest];
}

function startTable(program: Program): WordWriter {
  const writer = new WordWriter(program.is64, program.littleEndian);
  writer.u32(PCLNTAB_MAGICS[program.version]);
  writer.u8(0, 0, program.unit, program.is64 ? 8 : 4);
  writer.word(program.functions.length);
  return writer;
}

interface Tables {
  readonly files: number;
  readonly lines: number;
  readonly calls: number;
}

function addTables(to: WordWriter, function_: WrittenFunction, program: Program): Tables {
  const { unit, version } = program;
  const files = filesOf(program);
  const first = version === "go12" ? 1 : 0;
  const fileOf = ({ file }: WrittenPiece): number => files.indexOf(file) + first;
  return {
    files: to.add(placesTable(function_, unit, fileOf)),
    lines: to.add(placesTable(function_, unit, ({ line }) => line)),
    calls: to.add(placesTable(function_, unit, ({ call = -1 }) => call)),
  };
}

/** One part, in which all places are from its start on. */
function writeOldTable(program: Program): Buffer {
  const { functions, starts, textBytes, is64 } = program;
  const head = startTable(program);
  const wordBytes = is64 ? 8 : 4;
  const indexBytes = (2 * functions.length + 1) * wordBytes + 4;
  const body = new WordWriter(is64, program.littleEndian);
  const bodyAt = head.length + indexBytes;
  const records = functions.map((function_, index) => {
    const name = bodyAt + body.text(function_.name);
    const { files, lines } = addTables(body, function_, program);
    body.align(wordBytes);
    const record = bodyAt + body.length;
    body.word(TEXT_ADDRESS + (starts[index] as number));
    body.u32(name, 0, 0, 0, bodyAt + files, bodyAt + lines, 0, 0);
    return record;
  });
  const files = filesOf(program);
  const places = files.map((file) => bodyAt + body.text(file));
  body.align(4);
  const filesAt = bodyAt + body.length;
  body.u32(files.length + 1, ...places);
  for (const [index, start] of starts.entries()) {
    head.word(TEXT_ADDRESS + start, records[index] as number);
  }
  head.word(TEXT_ADDRESS + textBytes);
  head.u32(filesAt);
  return Buffer.concat([head.bytes, body.bytes]);
}

interface NewParts {
  readonly names: Strings;
  readonly treePlaces: readonly number[];
}

function writeNewTable(program: Program, { names, treePlaces }: NewParts): Buffer {
  const { is64, littleEndian } = program;
  const files = stringsOf(filesOf(program));
  const units = new WordWriter(is64, littleEndian);
  units.u32(...filesOf(program).map((file) => files.places.get(file) ?? 0));
  const tables = new WordWriter(is64, littleEndian);
  tables.u8(0);
  const places = program.functions.map((one) => addTables(tables, one, program));
  const parts = [names.bytes, units.bytes, files.bytes, tables.bytes];
  const head = startTable(program);
  head.word(filesOf(program).length);
  const hasText = program.version !== "go116";
  if (hasText) head.word(program.hasText ? TEXT_ADDRESS : 0);
  const headBytes = head.length + 5 * (is64 ? 8 : 4);
  const body = new WordWriter(is64, littleEndian);
  body.add(Buffer.alloc(headBytes));
  const partPlaces = parts.map((part) => {
    body.align(8);
    return body.add(part);
  });
  body.align(8);
  const functionsAt = body.add(writeFunctions(program, { names, treePlaces }, places));
  head.word(...partPlaces, functionsAt);
  return Buffer.concat([head.bytes, body.bytes.subarray(headBytes)]);
}

/** The index and the records, whose places are from the index' start on. */
function writeFunctions(
  program: Program,
  { names, treePlaces }: NewParts,
  places: readonly Tables[],
): Buffer {
  const { functions, starts, textBytes, is64, littleEndian, version } = program;
  const isShort = version !== "go116";
  const index = new WordWriter(is64, littleEndian);
  const wordBytes = isShort || !is64 ? 4 : 8;
  const first = isShort ? 0 : TEXT_ADDRESS;
  const add = (to: WordWriter, value: number): void => (isShort ? to.u32(value) : to.word(value));
  const indexBytes = (2 * functions.length + 1) * wordBytes;
  const records = new WordWriter(is64, littleEndian);
  records.add(Buffer.alloc((8 - (indexBytes % 8)) % 8));
  for (const [number, { name }] of functions.entries()) {
    records.align(8);
    const start = first + (starts[number] as number);
    add(index, start);
    add(index, indexBytes + records.length);
    const { files, lines, calls } = places[number] as Tables;
    add(records, start);
    records.u32(names.places.get(name) ?? 0, 0, 0, 0, files, lines, 3, 0);
    if (version === "go120") records.u32(1);
    records.u8(0, 0, 0, 4);
    records.u32(0, 0, calls);
    const tree = treePlaces[number] as number;
    if (isShort) {
      records.u32(NO_DATA, NO_DATA, NO_DATA, tree < 0 ? NO_DATA : tree);
    } else {
      records.align(wordBytes);
      records.word(0, 0, 0, tree < 0 ? 0 : treesAddress(textBytes) + tree);
    }
  }
  add(index, first + textBytes);
  return Buffer.concat([index.bytes, records.bytes]);
}
