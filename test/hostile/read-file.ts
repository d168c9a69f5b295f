/**
 * Reads one file as the worker of symbols does, in a process of its own, whose end is then the
 * file's fault and whose memory is the file's.
 *
 *     node test/hostile/read-file.ts PATH
 */
import { closeSync, openSync, readFileSync } from "node:fs";
import { isCollectorError, messageOf } from "../../src/support/errors.ts";
import { buildUnwindTable } from "../../src/symbols/cfi/unwind-table.ts";
import { type ElfFile, readElf } from "../../src/symbols/elf/elf-file.ts";
import { htlhash } from "../../src/symbols/elf/htlhash.ts";
import { fileAccess } from "../../src/symbols/elf/random-access.ts";
import { findFunctions } from "../../src/symbols/elf/symbol-table.ts";
import { BASE, TEXT_AT } from "./elf-image.ts";
import { BURST_AT } from "./spinning-code.ts";

/** What one part of reading took. */
export interface PartReport {
  readonly part: "identity" | "symbols" | "unwind table";
  readonly cpuMs: number;
  /** What came of it, or the reader's error. */
  readonly outcome: string;
  /** The error is none of the two that a reader may throw. */
  readonly isFault: boolean;
}

export interface ReadReport {
  readonly parts: readonly PartReport[];
  /** The peak of the process beyond what it had when it began. */
  readonly memoryMib: number;
}

/** In the code, in no function, and far away. */
const ADDRESSES = [BASE + TEXT_AT, BASE + TEXT_AT + BURST_AT, 2 ** 52].map(BigInt);

function peakMib(): number {
  const status = readFileSync("/proc/self/status", "utf8");
  return Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1]) / 1024;
}

function measured(part: PartReport["part"], read: () => string): PartReport {
  const before = process.cpuUsage();
  let outcome: string;
  let isFault = false;
  try {
    outcome = read();
  } catch (error) {
    outcome = messageOf(error);
    isFault = !isCollectorError(error, "INPUT_MALFORMED", "LIMIT_EXCEEDED");
  }
  const { user, system } = process.cpuUsage(before);
  return { part, cpuMs: (user + system) / 1000, outcome, isFault };
}

function symbolsOf(elf: ElfFile): string {
  return findFunctions(elf, ADDRESSES)
    .map(({ symbol }) => symbol?.name.slice(0, 20) ?? "none")
    .join();
}

function tableOf(elf: ElfFile): string {
  const table = buildUnwindTable(elf);
  return "rows" in table ? `${table.statistics.rows} rows` : table.missing;
}

function readFile(path: string): ReadReport {
  const before = peakMib();
  const fd = openSync(path, "r");
  try {
    const open = (): ElfFile => readElf(fileAccess(fd, "hostile"));
    const parts = [
      measured("identity", () => htlhash(open().access)),
      measured("symbols", () => symbolsOf(open())),
      measured("unwind table", () => tableOf(open())),
    ];
    return { parts, memoryMib: peakMib() - before };
  } finally {
    closeSync(fd);
  }
}

const [path] = process.argv.slice(2);
if (path !== undefined) process.stdout.write(JSON.stringify(readFile(path)));
