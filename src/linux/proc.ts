/**
 * What /proc tells of one process. Only files that the kernel makes from its own memory are
 * read: cmdline and environ lie in the memory of the process, which can make a reader wait.
 * A process that is gone, or that we may not see, is `undefined` or "", never an error.
 */
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from "node:fs";
import { decodeUtf8 } from "../support/byte-reader.ts";
import { systemErrorName } from "./errno.ts";
import { mappingPath, NO_DEVICE, type ProcessMapping } from "./process-mapping.ts";

export interface ProcessStatus {
  readonly pid: number;
  readonly parentPid: number;
  readonly name: string;
  readonly isKernelThread: boolean;
  /** CLOCK_MONOTONIC, exact to 10 ms, the unit in which the kernel tells it. */
  readonly startNs: bigint;
}

export interface ProcessSnapshot extends ProcessStatus {
  readonly executablePath: string;
  readonly threads: readonly number[];
  /** The executable ones, in order. */
  readonly mappings: readonly ProcessMapping[];
}

/** Of /proc/PID/maps: 100,000 lines. What lies behind is not seen. */
const MAPS_BYTES_MAX = 16 * 1024 * 1024;
const READ_BYTES = 64 * 1024;

/** All of a process that is there and is no zombie. */
export function readProcess(pid: number): ProcessSnapshot | undefined {
  const status = readProcessStatus(pid);
  if (status === undefined) return undefined;
  const threads = orMissing(() => readdirSync(`/proc/${pid}/task`).map(Number)) ?? [];
  if (status.isKernelThread) return { ...status, executablePath: "", threads, mappings: [] };
  const maps = orMissing(() => readUpTo(`/proc/${pid}/maps`, MAPS_BYTES_MAX)) ?? "";
  return {
    ...status,
    executablePath: readExecutablePath(pid),
    threads,
    mappings: parseExecutableMaps(maps),
  };
}

/** A field of /proc/PID/status, which may be empty; undefined when it has none of that name. */
export function statusField(status: string, name: string): string | undefined {
  return new RegExp(`^${name}:[ \\t]*(.*)$`, "m").exec(status)?.[1];
}

/** The program that a process runs, as its own root names it; "" for a kernel thread. */
export function readExecutablePath(pid: number): string {
  return mappingPath(orMissing(() => readlinkSync(`/proc/${pid}/exe`)) ?? "");
}

/** The path of its unified cgroup, else of the first hierarchy named; "" when there is none. */
export function cgroupPath(pid: number): string {
  const text = orMissing(() => readUpTo(`/proc/${pid}/cgroup`, READ_BYTES)) ?? "";
  const lines = text.split("\n");
  const line = lines.find((candidate) => candidate.startsWith("0::")) ?? lines[0] ?? "";
  return line.split(":").slice(2).join(":");
}

const PF_KTHREAD = 0x0020_0000;
/** The unit of start times on every architecture, whatever the kernel's own tick is. */
const CLOCK_TICK_NS = 10_000_000n;

export function readProcessStatus(pid: number): ProcessStatus | undefined {
  const text = orMissing(() => readUpTo(`/proc/${pid}/stat`, READ_BYTES));
  return text === undefined ? undefined : parseStatus(pid, text, suspendedNs());
}

/**
 * Reads /proc/PID/stat: the name stands in parentheses and may hold any character, so the
 * fields are counted from the last one that closes.
 *
 * @param suspendedNs  how far the clock of start times is ahead of CLOCK_MONOTONIC
 */
export function parseStatus(
  pid: number,
  text: string,
  suspendedNs: bigint,
): ProcessStatus | undefined {
  const open = text.indexOf("(");
  const close = text.lastIndexOf(")");
  const fields = text.slice(close + 2).split(" ");
  const [state, parentPid] = fields;
  if (open < 0 || close < open || state === undefined || state === "Z" || state === "X") return;
  return {
    pid,
    parentPid: Number(parentPid ?? 0),
    name: text.slice(open + 1, close),
    isKernelThread: (Number(fields[6] ?? 0) & PF_KTHREAD) !== 0,
    startNs: BigInt(fields[19] ?? 0) * CLOCK_TICK_NS - suspendedNs,
  };
}

/** CLOCK_BOOTTIME less CLOCK_MONOTONIC: the time that the machine was suspended. */
function suspendedNs(): bigint {
  const uptime = Number(orMissing(() => readFileSync("/proc/uptime", "latin1"))?.split(" ")[0]);
  const difference = BigInt(Math.round(uptime * 1e9) || 0) - process.hrtime.bigint();
  // The uptime is exact to 10 ms, so less than a tick or two is no suspension.
  return difference > 2n * CLOCK_TICK_NS ? difference : 0n;
}

/**
 * Reads the executable lines of /proc/PID/maps:
 *
 *   5619ae775000-5619ae788000 r-xp 00004000 fe:00 326123      /usr/bin/dash
 *
 * A newline in a path is written as \012 by the kernel.
 */
export function parseExecutableMaps(text: string): ProcessMapping[] {
  const mappings: ProcessMapping[] = [];
  for (const line of text.split("\n")) {
    const match = MAPS_LINE.exec(line);
    if (match === null) continue;
    const [, start, end, offset, major, minor, inode, name = ""] = match;
    const isDevice = inode !== "0";
    mappings.push({
      start: BigInt(`0x${start}`),
      end: BigInt(`0x${end}`),
      fileOffset: BigInt(`0x${offset}`),
      path: mappingPath(name.replaceAll("\\012", "\n")),
      buildId: "",
      device: isDevice ? { major: Number(`0x${major}`), minor: Number(`0x${minor}`) } : NO_DEVICE,
      inode: BigInt(inode ?? 0),
    });
  }
  return mappings;
}

const MAPS_LINE =
  /^([0-9a-f]{1,16})-([0-9a-f]{1,16}) ..x. ([0-9a-f]{1,16}) ([0-9a-f]+):([0-9a-f]+) (\d{1,20}) *(.*)$/;

function readUpTo(path: string, bytesMax: number): string {
  const fd = openSync(path, "r");
  try {
    const chunks: Uint8Array[] = [];
    for (let total = 0; total < bytesMax; ) {
      const chunk = new Uint8Array(READ_BYTES);
      const byteCount = readSync(fd, chunk);
      if (byteCount === 0) break;
      chunks.push(chunk.subarray(0, byteCount));
      total += byteCount;
    }
    return decodeUtf8(chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks));
  } finally {
    closeSync(fd);
  }
}

/** A process may end or be out of reach at any time, and the system may be short of something. */
function orMissing<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch (error) {
    if (systemErrorName(error) === "") throw error;
    return undefined;
  }
}
