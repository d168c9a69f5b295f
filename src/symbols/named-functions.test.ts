import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
import { describe, it } from "node:test";
import { buildProgram } from "../../test/support/build-program.ts";
import { requirement } from "../../test/support/requirements.ts";
import { silentLogger } from "../support/logger.ts";
import { type ExecutableFile, isMissing, type SymbolFrame } from "./executable-file.ts";
import { Symbolizer } from "./symbolizer.ts";

/** Names from the worker, beside what nm and llvm-symbolizer say of the same files. */

const ADDRESSES = 1000;
const OUTPUT_BYTES_MAX = 256 * 1024 * 1024;

interface NmSymbol {
  readonly start: bigint;
  readonly size: bigint;
  readonly name: string;
}

function fileAt(path: string): ExecutableFile {
  return {
    key: path,
    buildId: "",
    open: () => {
      const fd = openSync(path, "r");
      return { fd, [Symbol.dispose]: () => closeSync(fd) };
    },
  };
}

async function namesOf(
  path: string,
  addresses: readonly bigint[],
  demangle: boolean,
): Promise<readonly (SymbolFrame | undefined)[]> {
  // Two cores with much else to do are no reason to give a file up here.
  await using symbolizer = new Symbolizer({ logger: silentLogger, deadlineMs: 30_000 });
  const asked = BigUint64Array.from(addresses);
  const answer = await symbolizer.symbolize(fileAt(path), asked, {
    demangle,
    lines: true,
    inlines: false,
  });
  return answer.map((frames) => {
    assert.ok(!isMissing(frames), JSON.stringify(frames));
    return frames[0];
  });
}

/** Functions that have a size; indirect ones are left out, as llvm-symbolizer does not know them. */
function functionsOf(path: string, ...options: string[]): readonly NmSymbol[] {
  const lines = execFileSync("nm", ["--defined-only", "-S", ...options, path], {
    encoding: "utf8",
    maxBuffer: OUTPUT_BYTES_MAX,
  }).matchAll(/^([0-9a-f]+) ([0-9a-f]+) [tTwW] ([^@\s]+)/gm);
  return Array.from(lines, ([, start, size, name]) => ({
    start: BigInt(`0x${start}`),
    size: BigInt(`0x${size}`),
    name: name as string,
  })).filter(({ size }) => size > 0n);
}

/** What llvm-symbolizer calls each address, in their order. */
function llvmNames(path: string, addresses: readonly bigint[]): readonly string[] {
  const output = execFileSync(
    "llvm-symbolizer",
    [`--obj=${path}`, "--no-demangle", "--functions=linkage", "--no-inlines"],
    {
      input: addresses.map((address) => `0x${address.toString(16)}\n`).join(""),
      encoding: "utf8",
      maxBuffer: OUTPUT_BYTES_MAX,
    },
  );
  return output
    .trimEnd()
    .split("\n\n")
    .map((answer) => answer.split("\n")[0]?.replace(/@.*/, "") ?? "");
}

const libc = [
  "/lib/x86_64-linux-gnu/libc.so.6",
  "/lib/aarch64-linux-gnu/libc.so.6",
  "/lib64/libc.so.6",
];

describe("names of functions", { skip: requirement("binutils") }, () => {
  for (const { path, options } of [
    { path: libc.find((path) => existsSync(path)) as string, options: ["-D"] },
    { path: process.execPath, options: [] },
  ]) {
    it(`${path}: are llvm-symbolizer's`, { skip: requirement("llvm") }, async () => {
      const all = functionsOf(path, ...options);
      const step = all.length / ADDRESSES;
      assert.ok(step >= 1, `${all.length} functions`);
      const chosen = Array.from(
        { length: ADDRESSES },
        (_, n) => all[Math.floor(n * step)] as NmSymbol,
      );
      const addresses = chosen.map(({ start, size }) => start + size / 2n);
      const aliases = Map.groupBy(all, ({ start }) => start);
      const startOf = new Map(all.map(({ name, start }) => [name, start]));
      const ours = await namesOf(path, addresses, false);
      const theirs = llvmNames(path, addresses);
      assert.equal(theirs.length, ADDRESSES);
      for (const [n, expected] of theirs.entries()) {
        const same = aliases.get(startOf.get(expected) ?? -1n) ?? [];
        const name = ours[n]?.systemName;
        const isSame = name === expected || same.some((symbol) => symbol.name === name);
        assert.ok(isSame, `0x${addresses[n]?.toString(16)}: ${name}, not ${expected}`);
      }
    });
  }

  for (const { source, mangled, name, skip } of [
    {
      source: "three_paths.cpp",
      mangled: /^_ZN4shop8checksumEm$/,
      name: "shop::checksum(unsigned long)",
      skip: false as const,
    },
    {
      source: "three_paths.rs",
      mangled: /^_ZN11three_paths4shop8checksum17h|^_R\w+11three_paths4shop8checksum$/,
      name: "three_paths::shop::checksum",
      skip: requirement("rust"),
    },
  ]) {
    it(`are demangled in ${source}, and kept as stored`, { skip }, async () => {
      const program = buildProgram(source);
      const symbol = functionsOf(program).find((candidate) => mangled.test(candidate.name));
      assert.ok(symbol);
      const [demangled] = await namesOf(program, [symbol.start], true);
      assert.equal(demangled?.name, name);
      assert.equal(demangled?.systemName, symbol.name);
      assert.match(demangled?.file ?? "", new RegExp(`/${source}$`));
      const [stored] = await namesOf(program, [symbol.start], false);
      assert.equal(stored?.name, symbol.name);
      assert.equal(stored?.systemName, symbol.name);
    });
  }
});
