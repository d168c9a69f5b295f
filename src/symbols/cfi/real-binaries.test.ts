import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  closeSync,
  globSync,
  openSync,
  readFileSync,
  readSync,
  realpathSync,
  writeFileSync,
} from "node:fs";
import { describe, it } from "node:test";
import { requirement } from "../../../test/support/requirements.ts";
import { type TemporaryFolder, temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { readElf } from "../elf/elf-file.ts";
import { bytesAccess, fileAccess } from "../elf/random-access.ts";
import {
  inReadelfWords,
  type ReadelfFde,
  type ReadelfRow,
  readelfFrames,
} from "./testing/readelf-frames.ts";
import { ruleText } from "./testing/row-text.ts";
import { findRule } from "./unwind-step.ts";
import { buildUnwindTable, type UnwindTable } from "./unwind-table.ts";

/** What binutils makes of the same sections is the oracle. */

/** Of the code that FDEs cover, where the row must say all that the FDE says. */
const EXACT_SHARE_MIN = 0.999;
/** Of rows and pages. */
const BYTES_PER_ROW_MAX = 10;
/** On a slow machine, of Node's binary of 150 MB. */
const CPU_MS_MAX = 3000;

/** Where distributions have them; the test's own program is always there. */
const installed = [
  process.execPath,
  ...globSync([
    "/lib/{x86_64,aarch64}-linux-gnu/libc.so.6",
    "/lib/{x86_64,aarch64}-linux-gnu/ld-linux-*.so.*",
    "/usr/lib/{x86_64,aarch64}-linux-gnu/libstdc++.so.6",
    "/usr/lib/{x86_64,aarch64}-linux-gnu/libcrypto.so.3",
    "/usr/lib/{x86_64,aarch64}-linux-gnu/libpython3.*.so.1.0",
    "/usr/lib/jvm/*/lib/server/libjvm.so",
    "/usr/bin/bash",
  ]),
].map((path) => realpathSync(path));

const C_SOURCE = `
  int sink(void *, long);
  struct __attribute__((aligned(64))) wide { long words[8]; };
  int aligned(long n) { struct wide w = {{ n }}; return sink(&w, n) + 1; }
  int dynamic(long n) { void *p = __builtin_alloca(n); return sink(p, n) + 1; }
  int leaf(int n) { return n * 3; }
  int recursive(long n) { long words[40]; return n ? recursive(n - 1) + sink(words, n) : 0; }
  int huge(long n) { char bytes[300000]; return sink(bytes, n) + 1; }`;

/** What rules of Go's x86-64 .debug_frame become in a leaf. */
const GO_LEAF: Readonly<Record<string, string>> = {
  "rsp+8": "leaf rsp+8 u c-8",
  "rsp+16": "leaf rsp+16 c-16 c-8",
};

const GO_CALLED_BY_C = `package main
/*
extern void inGo(void);
static void call(void) { inGo(); }
*/
import "C"

//export inGo
func inGo() {}
func main() { C.call() }
`;

const GO_SIGNAL = process.arch === "x64" ? "signal 160" : "signal 312";

const crossBuilt = [
  { name: "x86-64 -O2", flags: ["--target=x86_64-linux-gnu", "-O2"] },
  { name: "x86-64 -O0", flags: ["--target=x86_64-linux-gnu", "-O0"] },
  { name: "arm64 -O2", flags: ["--target=aarch64-linux-gnu", "-O2"] },
  {
    name: "arm64 without frame pointers, signed return addresses",
    flags: [
      "--target=aarch64-linux-gnu",
      "-O2",
      "-fomit-frame-pointer",
      "-mbranch-protection=pac-ret+leaf+b-key",
    ],
  },
];

describe("unwind tables of real binaries", { skip: requirement("binutils") }, () => {
  for (const path of new Set(installed)) {
    it(`${path}: every row is readelf's`, (test) => {
      test.diagnostic(checkFile(path, EXACT_SHARE_MIN));
    });
  }

  it("the vdso: every row is readelf's", {
    skip: vdso() === undefined && "needs a vdso",
  }, (test) => {
    using folder = temporaryFolder();
    const path = folder.file("vdso.so");
    writeFileSync(path, vdso() as Uint8Array);
    test.diagnostic(checkFile(path, 1));
  });

  it("Go: frame pointers, and the stack pointer in leaves", { skip: requirement("go") }, () => {
    using folder = temporaryFolder();
    const program = buildGo(folder);
    const table = tableOf(program);
    const marked = goMarks(program);
    for (const { start, end, rows } of readelfFrames(program, table.machine)) {
      if (marked.has(start)) continue;
      for (const { address, cfa } of rows.filter((row) => row.address < end)) {
        const later = rows.some((row) => row.address === address && row.cfa !== cfa);
        const rule = findRule(table, address);
        const expected = GO_LEAF[cfa] ?? "frame pointer";
        if (later || rule === undefined) continue;
        assert.equal(ruleText(rule, table.machine), expected, `0x${start.toString(16)} ${cfa}`);
      }
    }
    for (const [address, expected] of marked) {
      const rule = findRule(table, address);
      assert.equal(rule && ruleText(rule, table.machine), expected, address.toString(16));
    }
  });

  for (const { name, flags } of [
    { name: "stripped", flags: ["-ldflags=-s -w"] },
    { name: "stripped and position-independent", flags: ["-ldflags=-s -w", "-buildmode=pie"] },
  ]) {
    it(`Go, ${name}: leaves by the stack pointer, too`, { skip: requirement("go") }, () => {
      using folder = temporaryFolder();
      const whole = tableOf(buildGo(folder, flags.slice(1)));
      const table = tableOf(buildGo(folder, flags));
      assert.ok(table.statistics.rows > 1000);
      assert.equal(table.statistics.rows, whole.statistics.rows);
    });
  }

  it("Go: the way from C into it", {
    skip: process.arch === "x64" ? requirement("go") : "is for x86-64",
  }, () => {
    using folder = temporaryFolder();
    const program = folder.file("called");
    writeFileSync(folder.file("called.go"), GO_CALLED_BY_C);
    const env = { ...process.env, GO111MODULE: "off", CGO_ENABLED: "1" };
    const source = folder.file("called.go");
    execFileSync("go", ["build", "-o", program, source], { env, stdio: "pipe" });
    const names = execFileSync("go", ["tool", "nm", program], { encoding: "latin1" });
    const start = Number.parseInt(/(\w+) T crosscall2$/m.exec(names)?.[1] as string, 16);
    const table = tableOf(program);
    const rules = [0, 1, 8].map((distance) => findRule(table, start + distance));
    const texts = rules.map((rule) => rule && ruleText(rule, table.machine).replace(/\d+/, "n"));
    assert.deepEqual(texts, ["rsp+n u c-8", "rsp+n c-16 c-8", "rsp+n c-16 c-8"]);
  });

  for (const { name, flags } of crossBuilt) {
    it(`${name}: every row is readelf's`, { skip: requirement("clang", "lld") }, (test) => {
      using folder = temporaryFolder();
      const source = folder.file("frames.c");
      const library = folder.file("frames.so");
      writeFileSync(source, C_SOURCE);
      const link = [
        "-shared",
        "-nostdlib",
        "-fPIC",
        "-fuse-ld=lld",
        "-fasynchronous-unwind-tables",
      ];
      execFileSync("clang", [...flags, ...link, "-o", library, source], { stdio: "pipe" });
      test.diagnostic(checkFile(library, 1));
    });
  }
});

function buildGo(folder: TemporaryFolder, flags: readonly string[] = []): string {
  const program = folder.file(`hello${flags.length}`);
  writeFileSync(folder.file("hello.go"), 'package main\nfunc main() { println("hello") }\n');
  const env = { ...process.env, GO111MODULE: "off", CGO_ENABLED: "0" };
  const source = folder.file("hello.go");
  execFileSync("go", ["build", ...flags, "-o", program, source], { env, stdio: "pipe" });
  return program;
}

function tableOf(program: string): UnwindTable {
  const table = buildUnwindTable(readElf(bytesAccess(readFileSync(program), program)));
  assert.ok("rows" in table);
  return table;
}

/** Rules of functions that are known by their name. */
function goMarks(program: string): ReadonlyMap<number, string> {
  const names = execFileSync("go", ["tool", "nm", program], { encoding: "latin1" });
  const marks = new Map<number, string>();
  for (const [, address, name] of names.matchAll(/^ *(\w+) T (\S+)$/gm)) {
    const rule = /^(?:runtime\.goexit(?:\.abi0)?$|_rt0_)/.test(name as string) ? "end" : undefined;
    const signal = (name as string).startsWith("runtime.sigreturn") ? GO_SIGNAL : undefined;
    const expected = rule ?? signal;
    if (expected !== undefined) marks.set(Number.parseInt(address as string, 16), expected);
  }
  return marks;
}

/** The kernel's code in this process; undefined where it has none, or none for x86-64. */
function vdso(): Uint8Array | undefined {
  const maps = readFileSync("/proc/self/maps", "latin1");
  const found = /^(\w+)-(\w+) .*\[vdso\]$/m.exec(maps);
  if (found === null || process.arch !== "x64") return undefined;
  const [start, end] = found.slice(1).map((hex) => Number.parseInt(hex, 16)) as [number, number];
  const fd = openSync("/proc/self/mem", "r");
  try {
    const bytes = new Uint8Array(end - start);
    readSync(fd, bytes, 0, bytes.length, start);
    return bytes;
  } finally {
    closeSync(fd);
  }
}

function checkFile(path: string, exactShareMin: number): string {
  const fd = openSync(path, "r");
  try {
    const before = process.cpuUsage();
    const table = buildUnwindTable(readElf(fileAccess(fd, path)));
    const { user, system } = process.cpuUsage(before);
    assert.ok("rows" in table, "is not missing");
    const milliseconds = Math.round((user + system) / 1000);
    assert.ok(milliseconds < CPU_MS_MAX, `took ${milliseconds} ms`);
    return `${milliseconds} ms; ${compare(table, path, exactShareMin)}`;
  } finally {
    closeSync(fd);
  }
}

interface Tally {
  covered: number;
  reduced: number;
  rows: number;
  /** What readelf says where our row says "cannot". */
  readonly examples: Set<string>;
}

function compare(table: UnwindTable, path: string, exactShareMin: number): string {
  const fdes = readelfFrames(path, table.machine).filter(({ start, end }) => start < end);
  fdes.sort((a, b) => a.start - b.start);
  // Of functions that both sections describe, .eh_frame's description holds.
  const distinct = fdes.filter(({ start }, index) => start !== fdes[index - 1]?.start);
  const tally: Tally = { covered: 0, reduced: 0, rows: 0, examples: new Set() };
  for (const [index, fde] of distinct.entries()) {
    const end = Math.min(fde.end, distinct[index + 1]?.start ?? Number.POSITIVE_INFINITY);
    compareFde(table, fde, { end, tally });
  }
  const { statistics } = table;
  const { covered, reduced, rows, examples } = tally;
  assert.ok(fdes.length > 0, "has FDEs");
  assert.equal(statistics.brokenFdes, 0);
  assert.equal(statistics.coveredBytes, covered);
  const { frame_pointer: _, ...cannot } = statistics.reduced;
  const counted = Object.values(cannot).reduce((sum, { bytes }) => sum + bytes, 0);
  assert.equal(counted, reduced, "what is reduced is counted");
  assert.ok(1 - reduced / covered >= exactShareMin, `${reduced} of ${covered} bytes are reduced`);
  const bytesPerRow = statistics.tableBytes / statistics.rows;
  if (statistics.rows > 1000) assert.ok(bytesPerRow <= BYTES_PER_ROW_MAX, `${bytesPerRow} a row`);
  const share = ((1 - reduced / covered) * 100).toFixed(4);
  const reasons = Object.entries(statistics.reduced)
    .filter(([, { bytes }]) => bytes > 0)
    .map(([reason, { bytes }]) => `${reason} ${bytes} bytes`);
  return [
    `${fdes.length} FDEs, ${rows} rows of readelf, ${statistics.rows} rows`,
    `${statistics.tableBytes} bytes, ${share} % exact`,
    ...reasons,
    ...[...examples].slice(0, 5),
  ].join(", ");
}

function compareFde(
  table: UnwindTable,
  fde: ReadelfFde,
  { end, tally }: { readonly end: number; readonly tally: Tally },
): void {
  for (const [index, row] of fde.rows.entries()) {
    const rowEnd = Math.min(fde.rows[index + 1]?.address ?? end, end);
    if (row.address >= rowEnd) continue;
    const byteCount = rowEnd - row.address;
    tally.rows++;
    tally.covered += byteCount;
    if (isReduced(table, fde, { row, at: row.address, tally })) tally.reduced += byteCount;
    isReduced(table, fde, { row, at: rowEnd - 1, tally });
  }
}

/** Compares at one address. True when our rule is "cannot". */
function isReduced(
  table: UnwindTable,
  fde: ReadelfFde,
  { row, at, tally }: { readonly row: ReadelfRow; readonly at: number; readonly tally: Tally },
): boolean {
  const rule = findRule(table, at);
  assert.ok(rule, `0x${at.toString(16)} has a rule`);
  const ours = inReadelfWords(rule, table.machine);
  const theirs = `${row.cfa} ${row.fp} ${row.ra}`;
  if (ours === undefined) {
    tally.examples.add(theirs);
    return true;
  }
  const isSame =
    ours.cfa === "signal"
      ? fde.isSignalFrame
      : (ours.cfa === "any" || ours.cfa === row.cfa) &&
        (ours.fp === "any" || ours.fp === row.fp || (ours.fp === "u" && row.fp === "s")) &&
        ours.ra === row.ra;
  if (!isSame) {
    const words = `${ours.cfa} ${ours.fp} ${ours.ra}`;
    assert.fail(`0x${at.toString(16)}: ${words} instead of ${theirs}`);
  }
  return false;
}
