import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { formatOfPath } from "../../src/profiles/formats.ts";
import { type ResolvedSample, resolvedSamples } from "../../src/profiles/resolved.ts";
import { sleep, systemClock } from "../../src/support/clock.ts";
import { FILE_LIMITS } from "../../src/support/limits.ts";
import { type RunningCommand, startObsforge } from "./run-command.ts";

/** A recording of the whole host, and what it cost. */
export interface HostRecording {
  /** Of samples on the CPU, each with its timestamps. */
  readonly samples: readonly ResolvedSample[];
  readonly startUnixNanos: bigint;
  /** CPU time that the kernel charged the good program in that time. */
  readonly chargedNanos: number;
  /** From the command's start to its end. */
  readonly tookMs: number;
  readonly peakMib: number;
  readonly cpuSeconds: number;
  /** What it said of itself. */
  readonly stderr: string;
}

const FREQUENCY_HZ = "997";
/** Beyond its seconds a recording has files to read and a profile to write. */
const RECORD_MS_MAX = 60_000;
const TICKS_PER_SECOND = 100;
const LOOK_MS = 20;

/**
 * Records the host and looks at the good program and at the recorder meanwhile.
 *
 * @param path  of the profile; its extension is .otlp.pb, which has room for timestamps
 * @throws AssertionError  when the recorder ends with another code than 0, or not in time
 */
export async function recordHost(
  path: string,
  good: RunningCommand,
  seconds: number,
): Promise<HostRecording> {
  const flags = ["-a", "-F", FREQUENCY_HZ, "-d", `${seconds}`, "--timestamps", "-o", path];
  const start = performance.now();
  await using command = await startObsforge(["record", ...flags], { timeoutMs: RECORD_MS_MAX });
  let hasEnded = false;
  void command.ended.then(() => {
    hasEnded = true;
  });
  const charges: Charge[] = [];
  let usage: Usage = { peakMib: 0, cpuSeconds: 0 };
  while (!hasEnded) {
    charges.push(chargeOf(good.pid));
    usage = usageOf(command.pid) ?? usage;
    await sleep(LOOK_MS);
  }
  const { code, signal, stderr } = await command.ended;
  assert.equal(code, 0, `${signal} ${stderr}`);
  const tookMs = performance.now() - start;
  return { ...readProfile(path, charges), ...usage, tookMs, stderr };
}

function readProfile(
  path: string,
  charges: readonly Charge[],
): Pick<HostRecording, "samples" | "startUnixNanos" | "chargedNanos"> {
  const batch = formatOfPath(path)?.decode(readFileSync(path), FILE_LIMITS);
  assert.ok(batch !== undefined);
  // Each window is a profile.
  const profiles = [...batch.profiles()].map(({ profile }) => profile);
  const start = least(profiles.map(({ timeUnixNano }) => timeUnixNano));
  const end = -least(
    profiles.map(({ timeUnixNano, durationNano }) => -timeUnixNano - durationNano),
  );
  const chargedNanos = chargeAt(charges, end) - chargeAt(charges, start);
  const samples = resolvedSamples(batch, "names").filter(({ type }) => type === "samples");
  return { samples, startUnixNanos: start, chargedNanos };
}

function least(times: readonly bigint[]): bigint {
  const [first] = times.toSorted((a, b) => (a < b ? -1 : 1));
  assert.ok(first !== undefined, "the profile is empty");
  return first;
}

/** The CPU time that the kernel had charged a process, at a time. */
interface Charge {
  readonly unixNanos: bigint;
  readonly cpuNanos: number;
}

function chargeOf(pid: number): Charge {
  const [nanos] = readFileSync(`/proc/${pid}/schedstat`, "latin1").split(" ");
  return { unixNanos: systemClock.unixNanos(), cpuNanos: Number(nanos) };
}

/** Between two looks the charge is taken to grow evenly. */
function chargeAt(charges: readonly Charge[], unixNanos: bigint): number {
  const next = charges.findIndex((charge) => charge.unixNanos >= unixNanos);
  const later = charges[next];
  const earlier = charges[next - 1];
  assert.ok(later !== undefined && earlier !== undefined, "the profile is longer than the run");
  const share = Number(unixNanos - earlier.unixNanos) / Number(later.unixNanos - earlier.unixNanos);
  return earlier.cpuNanos + share * (later.cpuNanos - earlier.cpuNanos);
}

interface Usage {
  readonly peakMib: number;
  /** Of all threads. */
  readonly cpuSeconds: number;
}

/** Undefined when the process has ended. */
function usageOf(pid: number): Usage | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")")).split(" ");
    const peakKib = Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1]);
    if (!(peakKib > 0)) return undefined;
    const cpuSeconds = (Number(fields[12]) + Number(fields[13])) / TICKS_PER_SECOND;
    return { peakMib: peakKib / 1024, cpuSeconds };
  } catch {
    return undefined;
  }
}

/** The samples of one process. */
export function samplesOf(recording: HostRecording, pid: number): ResolvedSample[] {
  return recording.samples.filter(({ resource }) => resource.includes(`process.pid=${pid}`));
}

export function sampleCount(samples: readonly ResolvedSample[]): number {
  return samples.reduce((total, { value }) => total + value, 0);
}

/** Samples × period by what the kernel charged: 1 when none is missing. */
export function sampledShare(recording: HostRecording, pid: number): number {
  const period = Number(/ (\d+)$/.exec(recording.samples[0]?.period ?? "")?.[1]);
  return (sampleCount(samplesOf(recording, pid)) * period) / recording.chargedNanos;
}

export interface Wholeness {
  /** From the profile's start to the first whole stack. */
  readonly afterMs: number;
  /** Of the samples from then on. */
  readonly share: number;
  /** A stack from then on that is not whole. */
  readonly example: readonly string[] | undefined;
}

/** How soon a process's stacks were whole, and how many were from then on. */
export function wholenessOf(
  recording: HostRecording,
  pid: number,
  isWhole: (stack: readonly string[]) => boolean,
): Wholeness {
  const all = samplesOf(recording, pid)
    .flatMap(({ stack, timestamps }) =>
      timestamps.map((text) => ({ stack, at: BigInt(text.split("=")[0] as string) })),
    )
    .sort((a, b) => Number(a.at - b.at));
  const first = all.findIndex(({ stack }) => isWhole(stack));
  const loaded = first < 0 ? [] : all.slice(first);
  const broken = loaded.filter(({ stack }) => !isWhole(stack));
  const from = loaded[0]?.at ?? recording.startUnixNanos;
  return {
    afterMs: first < 0 ? Infinity : Number(from - recording.startUnixNanos) / 1e6,
    share: loaded.length === 0 ? 0 : 1 - broken.length / loaded.length,
    example: broken[0]?.stack ?? (first < 0 ? all[0]?.stack : undefined),
  };
}
