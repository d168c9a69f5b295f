import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type Requirement, requirement } from "../../../test/support/requirements.ts";
import { type ElfFile, readElf } from "./elf-file.ts";
import { fileAddress } from "./file-address.ts";
import { fileAccess } from "./random-access.ts";
import { findFunctions } from "./symbol-table.ts";

/** What binutils reads of the same files is the oracle. */

const READELF_BYTES_MAX = 512 * 1024 * 1024;
const C_SOURCE = `
  #include <stdio.h>
  __attribute__((noinline)) static int inner(int n) { return n * 3 + 1; }
  __attribute__((noinline)) int outer(int n) { return inner(n) + inner(n + 1); }
  int main(int argc, char **argv) { printf("%d\\n", outer(argc)); return 0; }`;
const CPP_SOURCE = `
  #include <vector>
  #include <string>
  #include <map>
  namespace deep {
    template <class T> struct Box { __attribute__((noinline)) T get(T t) { return t; } };
  }
  int main(int argc, char **) {
    std::map<std::string, std::vector<int>> m; m["a"].push_back(argc);
    return deep::Box<int>().get(m.size());
  }`;

interface OracleSymbol {
  readonly start: bigint;
  readonly end: bigint;
  readonly name: string;
}

let folder = "";
before(() => {
  folder = mkdtempSync(join(tmpdir(), "elf-"));
  writeFileSync(join(folder, "c.c"), C_SOURCE);
  writeFileSync(join(folder, "cpp.cc"), CPP_SOURCE);
  writeFileSync(join(folder, "rs.rs"), 'fn main() { println!("{:?}", std::env::args()); }');
});
after(() => rmSync(folder, { recursive: true, force: true }));

const built: readonly {
  readonly name: string;
  readonly command: readonly string[];
  readonly needs?: readonly Requirement[];
}[] = [
  { name: "pie", command: ["gcc", "-O2", "-pie", "c.c"] },
  { name: "no-pie", command: ["gcc", "-O2", "-no-pie", "c.c"] },
  { name: "static", command: ["gcc", "-O2", "-static", "c.c"] },
  { name: "stripped", command: ["gcc", "-O2", "-s", "c.c"] },
  { name: "cpp", command: ["g++", "-O1", "cpp.cc"] },
  { name: "clang", command: ["clang", "-O1", "c.c"], needs: ["clang"] },
  {
    name: "lld",
    command: ["clang", "-O1", "-fuse-ld=lld", "c.c"],
    needs: ["clang", "lld"],
  },
  { name: "rust", command: ["rustc", "-O", "rs.rs"], needs: ["rust"] },
];
/** Where distributions and architectures have them; the test's own program is always there. */
const installed = [
  process.execPath,
  "/lib/x86_64-linux-gnu/libc.so.6",
  "/lib/aarch64-linux-gnu/libc.so.6",
  "/lib64/libc.so.6",
  "/usr/bin/bash",
].filter((path) => existsSync(path));

describe("real binaries", { skip: requirement("binutils") }, () => {
  for (const { name, command, needs = [] } of built) {
    it(`${name}: names what readelf names`, { skip: requirement(...needs) }, (test) => {
      const path = join(folder, name);
      const [program, ...rest] = command;
      execFileSync(program as string, [...rest, "-o", path], { cwd: folder, stdio: "pipe" });
      test.diagnostic(checkFile(path));
    });
  }

  for (const path of installed) {
    it(`${path}: names what readelf names`, (test) => {
      test.diagnostic(checkFile(path));
    });
  }
});

function checkFile(path: string): string {
  const fd = openSync(path, "r");
  try {
    const elf = readElf(fileAccess(fd, path));
    checkSegments(path, elf);
    return checkSymbols(path, elf);
  } finally {
    closeSync(fd);
  }
}

/** Compares at the start, the middle, the last byte and the byte after each function. */
function checkSymbols(path: string, elf: ElfFile): string {
  const oracle = oracleSymbols(path);
  const starts = oracle.map(({ start }) => start);
  const asked = oracle.flatMap(({ start, end }) => [start, (start + end) / 2n, end - 1n, end]);
  let unnamed = 0;
  for (const [index, { symbol, low, high }] of findFunctions(elf, asked).entries()) {
    const address = asked[index] as bigint;
    const names = coveringNames(oracle, starts, address);
    if (symbol === undefined) unnamed++;
    const where = `0x${address.toString(16)}`;
    // Only what has no size can last to here.
    if (names.size === 0) assert.equal(symbol?.size ?? 0n, 0n, `${where} is between functions`);
    else assert.ok(symbol && names.has(symbol.name), `${where}: ${symbol?.name} of ${[...names]}`);
    // What the range says holds at its ends too.
    for (const end of [BigInt(low), BigInt(high) - 1n]) {
      assert.deepEqual(coveringNames(oracle, starts, end), names, `${where}: range at ${end}`);
    }
  }
  return `${oracle.length} symbols, ${asked.length} addresses, ${unnamed} between functions`;
}

/** Symbols that may cover: sorted by start, and none is longer than what is looked back at. */
function coveringNames(
  oracle: readonly OracleSymbol[],
  starts: readonly bigint[],
  address: bigint,
): ReadonlySet<string> {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((starts[middle] as bigint) <= address) low = middle + 1;
    else high = middle;
  }
  const names = new Set<string>();
  for (let i = low - 1; i >= 0 && i > low - 400; i--) {
    const symbol = oracle[i] as OracleSymbol;
    if (address < symbol.end) names.add(symbol.name);
  }
  return names;
}

function oracleSymbols(path: string): readonly OracleSymbol[] {
  const executable = executableSections(path);
  const text = run("readelf", ["-W", "-s", path]);
  const symbols: OracleSymbol[] = [];
  for (const line of text.split("\n")) {
    const fields = line.trim().split(/\s+/);
    const [, value, size, type, , , section, name] = fields;
    if (!value || !size || !name || !/^[0-9a-f]{8,16}$/.test(value)) continue;
    if (section === "UND" || Number(size) === 0) continue;
    const isCode =
      type === "FUNC" || type === "IFUNC" || (type === "NOTYPE" && executable.has(section ?? ""));
    if (!isCode) continue;
    const start = BigInt(`0x${value}`);
    symbols.push({ start, end: start + BigInt(size), name: name.replace(/@.*/, "") });
  }
  return symbols.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
}

function executableSections(path: string): ReadonlySet<string> {
  const text = run("readelf", ["-W", "-S", path]);
  const lines = text.matchAll(
    /^\s*\[\s*(\d+)\].*\s[WAXMSILOGTCxoEp]*X[A-Za-z]*\s+\d+\s+\d+\s+\d+$/gm,
  );
  return new Set(Array.from(lines, ([, index]) => index as string));
}

/** Maps each executable segment as a loader does, at a made-up bias, and goes back. */
function checkSegments(path: string, elf: ElfFile): void {
  const bias = 0x5500_0000_0000n;
  const loads = run("readelf", ["-W", "-l", path]).matchAll(
    /^\s*LOAD\s+0x(\w+)\s+0x(\w+)\s+0x\w+\s+0x(\w+)\s+0x\w+\s+(.{3})/gm,
  );
  let checked = 0;
  for (const [, offset, address, size, flags] of loads) {
    if (!flags?.includes("E")) continue;
    const [from, virtual, bytes] = [offset, address, size].map((hex) => BigInt(`0x${hex}`));
    const page = (from as bigint) % 4096n;
    const mapping = {
      start: bias + (virtual as bigint) - page,
      fileOffset: (from as bigint) - page,
    };
    for (const distance of [0n, (bytes as bigint) / 2n, (bytes as bigint) - 1n]) {
      const expected = (virtual as bigint) + distance;
      assert.equal(fileAddress(elf.segments, mapping, bias + expected), expected);
      checked++;
    }
  }
  assert.ok(checked > 0, "has code");
}

function run(program: string, args: readonly string[]): string {
  return execFileSync(program, args, {
    encoding: "utf8",
    maxBuffer: READELF_BYTES_MAX,
    stdio: ["ignore", "pipe", "ignore"],
  });
}
