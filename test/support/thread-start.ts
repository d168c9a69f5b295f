import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import type { UserFrame } from "./process-stacks.ts";

/**
 * Names of the functions that no other calls: in C libraries, and in Go, where a goroutine starts
 * below goexit, and what changes to the scheduler's stack (mcall, morestack) is the start of that.
 */
const startName = /^(_start|_?_?clone3?|runtime\.(goexit|mcall|morestack|mstart|rt0_go)(\.abi0)?)$/;

const OUTPUT_BYTES_MAX = 512 * 1024 * 1024;
/** Of a _start without a symbol: it ends in its first call. */
const ENTRY_BYTES = 64n;

interface AddressRange {
  readonly start: bigint;
  readonly end: bigint;
}

/** exit, by its number on x86-64 and on arm64. */
const exitCall = /(\$0x3c|#0x5d)\b.*\n.*\b(syscall|svc)\b/;
const CODE_BYTES = 16n;

const startsByPath = new Map<string, readonly AddressRange[]>();
const exitsAfter = new Map<string, boolean>();

/**
 * True when a thread starts in this frame's function. It is told by its name, or, in a stripped
 * file, by what `nm`, `readelf` and `objdump` say of the file: the nearest symbol, its entry point,
 * a return address that call frame information calls undefined, a call after which the code does
 * nothing but end the thread.
 */
export function isThreadStart({ name, path, address }: UserFrame): boolean {
  if (startName.test(name)) return true;
  if (name !== "" || !path.startsWith("/") || !existsSync(path)) return false;
  const starts = startsByPath.getOrInsertComputed(path, findStarts);
  if (starts.some(({ start, end }) => address >= start && address < end)) return true;
  return exitsAfter.getOrInsertComputed(`${path} ${address}`, () => endsThread(path, address));
}

/** The call's own last byte is at the address of its frame. */
function endsThread(path: string, address: bigint): boolean {
  const range = [`--start-address=${address + 1n}`, `--stop-address=${address + CODE_BYTES}`];
  return exitCall.test(outputOf("objdump", ["-d", ...range, path]));
}

function findStarts(path: string): readonly AddressRange[] {
  const frames = outputOf("readelf", ["-wF", path]);
  const starts = [...symbols(path), ...entryPoint(path)];
  return [...starts, ...undefinedReturns(frames), ...plantedReturns(frames)];
}

/**
 * Where a coroutine starts, its first function "returns" to the first instruction of another, as
 * makecontext has it. Behind the last byte of padding before a function no call can be.
 */
function plantedReturns(frames: string): AddressRange[] {
  const functions = Array.from(
    frames.matchAll(/ FDE .* pc=([0-9a-f]+)\.\.([0-9a-f]+)/g),
    ([, start, end]) => ({ start: hex(start), end: hex(end) }),
  );
  const ends = new Set(functions.map(({ end }) => end));
  return functions
    .filter(({ start }) => !ends.has(start))
    .map(({ start }) => ({ start: start - 1n, end: start }));
}

function symbols(path: string): AddressRange[] {
  const lines = outputOf("nm", ["-n", path]).matchAll(/^([0-9a-f]+) \w (\S+)$/gm);
  const all = Array.from(lines, ([, address, name]) => ({ at: hex(address), name }));
  return all.flatMap(({ at, name }, index) => {
    const next = all.slice(index + 1).find((symbol) => symbol.at > at);
    if (next === undefined || name === undefined || !startName.test(name)) return [];
    return [{ start: at, end: next.at }];
  });
}

function entryPoint(path: string): AddressRange[] {
  const entry = /Entry point address:\s*0x([0-9a-f]+)/.exec(outputOf("readelf", ["-h", path]))?.[1];
  return entry === undefined ? [] : [{ start: hex(entry), end: hex(entry) + ENTRY_BYTES }];
}

/** Rows of `readelf -wF` whose column ra is u, each up to the next row of its function. */
function undefinedReturns(frames: string): AddressRange[] {
  const found: AddressRange[] = [];
  let limit = 0n;
  let open: bigint | undefined;
  const close = (end: bigint): void => {
    if (open !== undefined) found.push({ start: open, end });
    open = undefined;
  };
  for (const line of frames.split("\n")) {
    const range = / FDE .* pc=([0-9a-f]+)\.\.([0-9a-f]+)/.exec(line);
    if (range !== null) {
      close(limit);
      limit = hex(range[2]);
    }
    const row = /^([0-9a-f]{16}) .*?(\S+)\s*$/.exec(line);
    if (row === null || line.includes(" FDE ") || line.includes(" CIE ")) continue;
    close(hex(row[1]));
    if (row[2] === "u") open = hex(row[1]);
  }
  close(limit);
  return found;
}

function outputOf(program: string, args: readonly string[]): string {
  return spawnSync(program, args, { encoding: "utf8", maxBuffer: OUTPUT_BYTES_MAX }).stdout ?? "";
}

function hex(digits: string | undefined): bigint {
  return BigInt(`0x${digits ?? "0"}`);
}
