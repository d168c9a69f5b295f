import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { buildProgram } from "../../../test/support/build-program.ts";
import { type ElfFile, readElf } from "../elf/elf-file.ts";
import { fileAddress } from "../elf/file-address.ts";
import { bytesAccess } from "../elf/random-access.ts";
import { findFunctions } from "../elf/symbol-table.ts";
import { type FrameRegisters, unwindStep } from "./unwind-step.ts";
import { buildUnwindTable, type UnwindTable } from "./unwind-table.ts";

/** Stacks of processes that ran, walked to their ends by the tables of all files in them. */

const FRAMES_MAX = 100;
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

const times = (count: number, name: string): string[] => Array(count).fill(name);
const top = ["capture", ...times(2, "descend")];

/** Frames of the program's own code, innermost first; "…" for those of libraries. */
const ways: { way: string; frames: string[] }[] = [
  { way: "recursion", frames: ["capture", ...times(40, "descend"), "main", "…", "_start"] },
  { way: "sort", frames: [...top, "compare", "…", "sort", "main", "…", "_start"] },
  { way: "signal", frames: [...top, "on_signal", "…", "main", "…", "_start"] },
  { way: "fault", frames: [...top, "on_signal", "…", "fault", "main", "…", "_start"] },
  {
    way: "other_stack",
    frames: [...top, "on_signal", "…", "on_other_stack", "main", "…", "_start"],
  },
  { way: "thread", frames: ["capture", ...times(3, "descend"), "in_thread", "…"] },
  { way: "aligned", frames: [...top, ...times(3, "aligned"), "main", "…", "_start"] },
  { way: "dynamic", frames: [...top, ...times(5, "dynamic"), "main", "…", "_start"] },
  { way: "large", frames: [...top, "large", "main", "…", "_start"] },
];

const builds: { name: string; flags: string[]; without?: string }[] = [
  { name: "-O2", flags: ["-fomit-frame-pointer", "-fno-optimize-sibling-calls", "-fno-inline"] },
  { name: "-O0 with frame pointers", flags: ["-O0"] },
  {
    name: "static",
    flags: ["-static", "-fomit-frame-pointer", "-fno-optimize-sibling-calls", "-fno-inline"],
  },
  {
    name: "without .eh_frame",
    flags: [
      "-fomit-frame-pointer",
      "-fno-optimize-sibling-calls",
      "-fno-inline",
      "-fno-asynchronous-unwind-tables",
      "-gdwarf-4",
    ],
  },
  {
    name: "without any call frame information",
    flags: [
      "-fomit-frame-pointer",
      "-fno-optimize-sibling-calls",
      "-fno-inline",
      "-fno-asynchronous-unwind-tables",
      "-fno-unwind-tables",
      "-g0",
    ],
    // A realigned stack is not followed.
    without: "aligned",
  },
];

describe("stacks of programs without frame pointers", () => {
  for (const { name, flags, without } of builds) {
    for (const { way, frames } of ways.filter((one) => one.way !== without)) {
      it(`${name}: ${way}`, () => {
        const program = buildProgram("stack_copy.c", flags);
        const copy = readCopy(program, way);
        assert.deepEqual(withoutLibraries(walk(copy), program), frames);
      });
    }
  }
});

interface Mapping {
  readonly start: bigint;
  readonly end: bigint;
  readonly fileOffset: bigint;
  readonly path: string;
}

interface StackCopy {
  readonly registers: FrameRegisters;
  readonly read: (address: bigint) => bigint | undefined;
  readonly mappings: readonly Mapping[];
}

function readCopy(program: string, way: string): StackCopy {
  const result = spawnSync(program, [way], { maxBuffer: OUTPUT_BYTES_MAX });
  assert.equal(result.status, 0, String(result.stderr));
  const bytes = result.stdout;
  let at = 0;
  const word = (): bigint => {
    at += 8;
    return bytes.readBigUInt64LE(at - 8);
  };
  const registers = { pc: word(), sp: word(), fp: word(), lr: 0n, isExact: true };
  const stacks: { start: bigint; bytes: Buffer }[] = [];
  for (let start = word(); start !== 0n; start = word()) {
    const length = Number(word());
    stacks.push({ start, bytes: bytes.subarray(at, at + length) });
    at += length;
  }
  const read = (address: bigint): bigint | undefined => {
    for (const stack of stacks) {
      const distance = address - stack.start;
      if (distance >= 0n && distance + 8n <= BigInt(stack.bytes.length)) {
        return stack.bytes.readBigUInt64LE(Number(distance));
      }
    }
    return undefined;
  };
  return { registers, read, mappings: parseMaps(bytes.subarray(at).toString()) };
}

function parseMaps(text: string): Mapping[] {
  const lines = text.matchAll(/^(\w+)-(\w+) \S+ (\w+) \S+ \d+ *(.*)$/gm);
  return Array.from(lines, ([, start, end, offset, path]) => ({
    start: BigInt(`0x${start}`),
    end: BigInt(`0x${end}`),
    fileOffset: BigInt(`0x${offset}`),
    path: path as string,
  }));
}

interface NamedFrame {
  readonly path: string;
  readonly name: string;
}

function walk({ registers, read, mappings }: StackCopy): NamedFrame[] {
  const frames: NamedFrame[] = [];
  let current = registers;
  while (frames.length < FRAMES_MAX) {
    const back = current.isExact ? 0n : 1n;
    const place = placeOf(mappings, current.pc - back);
    const found = findFunctions(place.elf, [place.address])[0];
    frames.push({ path: place.path, name: found?.symbol?.name ?? "?" });
    const bias = current.pc - back - place.address;
    const step = unwindStep(place.table, current, { bias, read });
    if ("end" in step) return frames;
    const names = frames.map(({ name }) => name).join(" ");
    if ("failed" in step) assert.fail(`${step.failed} after ${names}`);
    current = step.caller;
  }
  return assert.fail(`${FRAMES_MAX} frames`);
}

interface LoadedFile {
  readonly path: string;
  readonly elf: ElfFile;
  readonly table: UnwindTable;
}

const loaded = new Map<string, LoadedFile>();

function placeOf(
  mappings: readonly Mapping[],
  pc: bigint,
): LoadedFile & { readonly address: bigint } {
  const mapping = mappings.find(({ start, end }) => pc >= start && pc < end);
  if (!mapping?.path.startsWith("/")) assert.fail(`0x${pc.toString(16)} is in ${mapping?.path}`);
  const file = loaded.getOrInsertComputed(mapping.path, load);
  const address = fileAddress(file.elf.segments, mapping, pc);
  assert.ok(address !== undefined);
  return { ...file, address };
}

function load(path: string): LoadedFile {
  const elf = readElf(bytesAccess(readFileSync(path), path));
  const table = buildUnwindTable(elf);
  assert.ok("rows" in table);
  return { path, elf, table };
}

/** Runs of frames of other files, and of a C library's in a static program, become "…". */
function withoutLibraries(frames: readonly NamedFrame[], program: string): string[] {
  const own = new Set([..."capture descend main _start on_signal compare sort fault".split(" ")]);
  for (const name of "on_other_stack in_thread with_thread aligned dynamic large".split(" ")) {
    own.add(name);
  }
  const names = frames.map(({ path, name }) => (path === program && own.has(name) ? name : "…"));
  return names.filter((name, index) => name !== "…" || names[index - 1] !== "…");
}
