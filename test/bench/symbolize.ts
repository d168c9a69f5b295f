import { closeSync, copyFileSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packageRoot } from "../../src/support/package-root.ts";
import { type ElfFile, readElf } from "../../src/symbols/elf/elf-file.ts";
import { fileAccess } from "../../src/symbols/elf/random-access.ts";
import { isMissing } from "../../src/symbols/executable-file.ts";
import { openIndexCache } from "../../src/symbols/index/index-cache.ts";
import { FileSymbols } from "../../src/symbols/native/file-symbols.ts";
import { IndexedSymbols } from "../../src/symbols/native/indexed-symbols.ts";
import { randomAddresses, textOf } from "../consensus/addresses.ts";
import { costOf } from "./command-cost.ts";
import { largeCppProgram } from "./large-cpp.ts";
import { libjvmDebugFile } from "./libjvm.ts";
import { median, printTable } from "./markdown-table.ts";

/**
 * What naming addresses costs: whole processes beside llvm-symbolizer and addr2line in one run, and
 * this program when it is warm. Other files than those two are given as arguments.
 */

const RUNS = 3;
const FEW = 1000;
const MANY = 100_000;
const SEED = 7;
const NAMING = { inlines: true, demangle: true };

const folder = mkdtempSync(join(tmpdir(), "obsforge-bench-"));
try {
  const program = largeCppProgram();
  const libjvm = libjvmDebugFile();
  const large = typeof libjvm === "string" ? [libjvm] : [];
  if (typeof libjvm !== "string") process.stdout.write(`${libjvm.missing}\n\n`);
  for (const path of [program, ...large, ...process.argv.slice(2)]) await compareProcesses(path);
  await measureIndex(program);
  await measureWarm(program);
} finally {
  rmSync(folder, { recursive: true });
}

async function compareProcesses(path: string): Promise<void> {
  const rows: string[][] = [];
  const version = await medianCost([join(packageRoot(), "bin/obsforge"), "--version"]);
  for (const count of [FEW, MANY]) {
    const input = join(folder, `addresses-${count}`);
    writeFileSync(input, linesOf(addressesOf(path, count)));
    for (const [name, command] of Object.entries(commandsFor(path))) {
      const cost = await medianCost(["sh", "-c", `${command} < ${input}`]);
      const own = name === "obsforge" ? version.cpuSeconds : 0;
      const cells = [(cost.cpuSeconds - own).toFixed(2), cost.peakMb.toFixed(0)];
      rows.push([name, count.toLocaleString("en"), ...cells]);
    }
  }
  const head = ["", "addresses", "CPU s", "peak MB"];
  printTable(`Addresses of ${path}, each in a fresh process`, head, rows);
}

function commandsFor(path: string): Record<string, string> {
  const cache = `OBSFORGE_CACHE_DIR=${folder}/cache`;
  const own = join(packageRoot(), "bin/obsforge");
  return {
    obsforge: `${cache} exec ${own} symbolize --binary ${path} --stdin --json`,
    "llvm-symbolizer": `exec llvm-symbolizer --output-style=JSON -e ${path}`,
    addr2line: `exec addr2line -iafC -e ${path}`,
  };
}

async function medianCost(
  command: readonly string[],
): Promise<{ readonly cpuSeconds: number; readonly peakMb: number }> {
  const costs = [];
  for (let run = 0; run < RUNS; run++) costs.push(await costOf(command));
  return {
    cpuSeconds: median(costs.map(({ cpuSeconds }) => cpuSeconds)),
    peakMb: Math.max(...costs.map(({ peakMb }) => peakMb)),
  };
}

/** An index: what making it takes, and a process that finds it. */
async function measureIndex(path: string): Promise<void> {
  const own = join(packageRoot(), "bin/obsforge");
  const env = `OBSFORGE_CACHE_DIR=${folder}/indexes`;
  const input = join(folder, "addresses-of-index");
  writeFileSync(input, linesOf(addressesOf(path, FEW)));
  const version = await medianCost([own, "--version"]);
  const made = await medianCost([
    "sh",
    "-c",
    `${env} exec ${own} symbolize --binary ${path} --index`,
  ]);
  const asked = `${env} exec ${own} symbolize --binary ${path} --stdin --json < ${input}`;
  const used = await medianCost(["sh", "-c", asked]);
  const beyond = ({ cpuSeconds }: { cpuSeconds: number }): string =>
    (cpuSeconds - version.cpuSeconds).toFixed(2);
  const reopened = await reopenedSeconds(path);
  printTable(
    "An index",
    ["", "CPU s", "peak MB"],
    [
      ["made, a fresh process", beyond(made), made.peakMb.toFixed(0)],
      ["1,000 addresses by it, a fresh process", beyond(used), used.peakMb.toFixed(0)],
      ["opened again with 1,000 addresses, warm", reopened.toFixed(3), ""],
    ],
  );
}

/** With what it takes to see that the file is the one that the index was made of. */
async function reopenedSeconds(path: string): Promise<number> {
  const cache = openIndexCache(join(folder, "indexes"));
  if (isMissing(cache)) throw new Error(cache.missing);
  const asked = addressesOf(path, FEW).map(BigInt);
  const fd = openSync(path, "r");
  try {
    const costs: number[] = [];
    for (let run = 0; run < 2 * RUNS; run++) {
      const cost = await cpuSeconds(async () => {
        const elf = readElf(fileAccess(fd, path));
        const index = cache.find({ elf, others: [undefined, undefined, undefined] });
        if (index === undefined) throw new Error("there is no index");
        using symbols = new IndexedSymbols(index, elf);
        await symbols.find(asked, NAMING);
      });
      costs.push(cost);
    }
    return median(costs.slice(RUNS));
  } finally {
    closeSync(fd);
  }
}

/** A process that has named other files before, as the agent has. */
async function measureWarm(path: string): Promise<void> {
  const few = addressesOf(path, FEW);
  const many = addressesOf(path, MANY);
  for (let run = 0; run < 2; run++) await cpuOf(path, many);
  const unseen = await Promise.all(
    Array.from({ length: RUNS }, async (_, run) => {
      const copy = join(folder, `copy-${run}`);
      copyFileSync(path, copy);
      return copy;
    }),
  );
  const firsts: number[] = [];
  for (const copy of unseen) firsts.push((await cpuOf(copy, few)).first);
  const whole = await cpuOf(path, many);
  const rows = [
    ["1,000 in a file not seen before, CPU s", median(firsts).toFixed(3)],
    ["100,000 in a file not seen before, CPU s", whole.first.toFixed(2)],
    ["the same again, addresses a second", Math.round(MANY / whole.again).toLocaleString("en")],
  ];
  printTable("A process that runs already", ["", ""], rows);
}

async function cpuOf(
  path: string,
  addresses: readonly number[],
): Promise<{ readonly first: number; readonly again: number }> {
  const asked = addresses.map(BigInt);
  const fd = openSync(path, "r");
  try {
    const elf: ElfFile = readElf(fileAccess(fd, path));
    const symbols = await FileSymbols.open({ elf });
    const first = await cpuSeconds(() => symbols.find(asked, NAMING));
    const again = await cpuSeconds(() => symbols.find(asked, NAMING));
    return { first, again };
  } finally {
    closeSync(fd);
  }
}

async function cpuSeconds(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

function addressesOf(path: string, count: number): number[] {
  return randomAddresses(textOf(path), count, SEED);
}

function linesOf(addresses: readonly number[]): string {
  return addresses.map((address) => `0x${address.toString(16)}\n`).join("");
}
