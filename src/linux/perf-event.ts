/** Perf events of the software kind: the clock of each CPU. */
import { readSync } from "node:fs";
import { CollectorError } from "../support/errors.ts";
import { EACCES, ENODEV, EPERM, errnoText } from "./errno.ts";
import * as libc from "./libc.ts";

/**
 * struct perf_event_attr of <linux/perf_event.h>, version 5 (112 bytes): the kernel takes a
 * shorter or longer struct than its own.
 */
const ATTRIBUTES = {
  bytes: 112,
  type: 0,
  size: 4,
  config: 8,
  samplePeriod: 16,
  readFormat: 32,
  flags: 40,
};
const PERF_TYPE_SOFTWARE = 1;
const PERF_COUNT_SW_CPU_CLOCK = 0n;
const PERF_FORMAT_TOTAL_TIME_RUNNING = 2n;
const FLAG_DISABLED = 1n << 0n;
const FLAG_EXCLUDE_IDLE = 1n << 7n;

const PERF_EVENT_IOC_ENABLE = 0x2400;
const PERF_EVENT_IOC_DISABLE = 0x2401;

/** Every process on one CPU. */
const ANY_PROCESS = -1;

/**
 * Opens a disabled event that fires each `periodNs` of one CPU's time while it is not idle. The
 * period stands still on the CPU's clock; a frequency would be turned into the same by the kernel.
 *
 * @returns the fd, or "offline" when the CPU went away meanwhile; the caller closes it
 * @throws CollectorError PERMISSION, UNSUPPORTED  the kernel refuses
 */
export function openCpuClock(cpu: number, periodNs: number): number | "offline" {
  const attributes = new Uint8Array(ATTRIBUTES.bytes);
  const view = new DataView(attributes.buffer);
  view.setUint32(ATTRIBUTES.type, PERF_TYPE_SOFTWARE, true);
  view.setUint32(ATTRIBUTES.size, ATTRIBUTES.bytes, true);
  view.setBigUint64(ATTRIBUTES.config, PERF_COUNT_SW_CPU_CLOCK, true);
  view.setBigUint64(ATTRIBUTES.samplePeriod, BigInt(periodNs), true);
  view.setBigUint64(ATTRIBUTES.readFormat, PERF_FORMAT_TOTAL_TIME_RUNNING, true);
  view.setBigUint64(ATTRIBUTES.flags, FLAG_DISABLED | FLAG_EXCLUDE_IDLE, true);
  const result = libc.perfEventOpen(attributes, ANY_PROCESS, cpu);
  if (result >= 0) return result;
  if (result === -ENODEV) return "offline";
  throw refusedError(cpu, result);
}

function refusedError(cpu: number, result: number): CollectorError {
  const what = `perf_event_open of the clock of CPU ${cpu}: ${errnoText(result)}`;
  if (result === -EPERM || result === -EACCES) {
    return new CollectorError(
      "PERMISSION",
      `${what}. Run as root or with CAP_PERFMON, or set sysctl kernel.perf_event_paranoid=-1; ` +
        `in a container its seccomp profile has to allow perf_event_open.`,
    );
  }
  return new CollectorError("UNSUPPORTED", `${what}. The kernel needs CONFIG_PERF_EVENTS.`);
}

/** Lets an event fire again. An event whose CPU is gone stays silent. */
export function enableEvent(fd: number): void {
  libc.ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
}

/** When this returns, the event fires no more. */
export function disableEvent(fd: number): void {
  libc.ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
}

/** For how long the event has been on its CPU: stands still when disabled or when the CPU is gone. */
export function runningTimeNs(fd: number): bigint {
  // Two words in this read format: the event's value and the time.
  const words = new BigUint64Array(2);
  readSync(fd, words);
  return words[1] as bigint;
}
