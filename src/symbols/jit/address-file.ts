import { closeSync, openSync, readSync, statSync } from "node:fs";
import { CollectorError, messageOf } from "../../support/errors.ts";
import type { Missing, SymbolFrame } from "../executable-file.ts";
import { type KernelSymbols, parseKallsyms } from "../kernel/kallsyms.ts";
import { type JitDump, readJitDump } from "./jitdump.ts";
import { PerfMap } from "./perf-map.ts";
import { isV8Script, runtimeName, withoutScheme } from "./runtime-names.ts";

const PIECE_BYTES = 256 * 1024;
/** A map of a day has 100 MB. */
const FILE_BYTES_MAX = 1024 * 1024 * 1024;

/** A file that says what is at addresses. */
export interface AddressFile {
  /** Innermost first; none where nothing is. */
  framesAt(address: bigint): readonly SymbolFrame[];
}

/** Reads a map that a runtime wrote. @throws CollectorError NOT_FOUND, LIMIT_EXCEEDED */
export function openPerfMap(path: string): AddressFile {
  const map = new PerfMap();
  for (const piece of piecesOf(path)) map.append(piece);
  // A writer that was stopped left its last line without an end.
  map.append(Uint8Array.of(0x0a));
  return { framesAt: (address) => perfMapFrames(map, Number(address)) };
}

/** Reads what a runtime dumped. @throws CollectorError NOT_FOUND, INPUT_MALFORMED */
export function openJitDump(path: string): AddressFile {
  const dump = readJitDump(path);
  return { framesAt: (address) => jitDumpFrames(dump, Number(address)) };
}

/** Reads a copy of /proc/kallsyms. @throws CollectorError */
export function openKallsyms(path: string): AddressFile {
  const symbols: KernelSymbols | Missing = parseKallsyms(piecesOf(path), []);
  if ("missing" in symbols)
    throw new CollectorError("INPUT_MALFORMED", `${path}: ${symbols.missing}`);
  return {
    framesAt(address) {
      const name = symbols.lookup(address)?.name;
      return name === undefined ? [] : [{ name, systemName: name }];
    },
  };
}

/** What a dump says of an address, its name taken apart. */
export function jitDumpFrames(dump: JitDump, address: number): readonly SymbolFrame[] {
  const code = dump.lookup(address);
  if (code === undefined) return [];
  const frame = runtimeName(code.name);
  if (code.file === undefined) return [frame];
  const { line, column } = code;
  const file = withoutScheme(code.file);
  // Of what was inlined from another script only its place is told: it is none of this function's.
  const isScript = isV8Script(code.name);
  if (isScript && frame.file !== file) return [frame];
  // A column of the function's start is none of the line; other runtimes have none there.
  const { column: _, ...named } = frame;
  return [
    {
      ...named,
      file,
      ...(line !== undefined && { line }),
      ...(column !== undefined && isScript && { column }),
    },
  ];
}

/** What a map says of an address, its name taken apart. */
export function perfMapFrames(map: PerfMap, address: number): readonly SymbolFrame[] {
  const code = map.lookup(address);
  if (code === undefined) return [];
  return [runtimeName(code.name)];
}

function* piecesOf(path: string): Generator<Uint8Array> {
  const fd = openFile(path);
  try {
    let total = 0;
    for (;;) {
      const piece = new Uint8Array(PIECE_BYTES);
      const count = readNext(fd, piece, path);
      if (count === 0) return;
      total += count;
      if (total > FILE_BYTES_MAX) {
        const limit = `${path} has over ${FILE_BYTES_MAX} bytes`;
        throw new CollectorError("LIMIT_EXCEEDED", limit);
      }
      yield piece.subarray(0, count);
    }
  } finally {
    closeSync(fd);
  }
}

/** Some files of /proc can be opened and not read. */
function readNext(fd: number, piece: Uint8Array, path: string): number {
  try {
    return readSync(fd, piece);
  } catch (error) {
    throw new CollectorError("NOT_FOUND", `${path} cannot be read: ${messageOf(error)}`);
  }
}

/** /proc/kallsyms is a regular file too. */
function openFile(path: string): number {
  try {
    if (!statSync(path).isFile()) throw new Error("it is no regular file");
    return openSync(path, "r");
  } catch (error) {
    throw new CollectorError("NOT_FOUND", `${path} cannot be read: ${messageOf(error)}`);
  }
}
