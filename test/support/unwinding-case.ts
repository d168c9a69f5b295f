import assert from "node:assert/strict";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { availableParallelism } from "node:os";
import { formatOfPath } from "../../src/profiles/formats.ts";
import type { ProfileBatch } from "../../src/profiles/profile.ts";
import { sleep } from "../../src/support/clock.ts";
import { FILE_LIMITS } from "../../src/support/limits.ts";
import { COMPLETE, type ProcessSample, sumByCode, type UserFrame } from "./process-stacks.ts";
import { type RunningCommand, startCommand, startObsforge } from "./run-command.ts";
import { isThreadStart } from "./thread-start.ts";

/** A frame by its name; null is any one frame. */
export type FramePattern = string | RegExp | null;

/** Frames of which each calls the one before it. */
export interface CallChain {
  /** Leaf first. Samples with the first of them must have the others right above it. */
  readonly frames: readonly FramePattern[];
  /** At least this share of the process's samples have the chain; half when not given. */
  readonly share?: number;
}

/** A program whose stacks are known. */
export interface UnwindingCase {
  readonly name: string;
  /** The program and its arguments. */
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly chains: readonly CallChain[];
  /** At least this share of the samples go to their threads' starts; 0.99 when not given. */
  readonly completeShare?: number;
  /** Names a frame that the profile does not; the profile's own name when not given. */
  readonly nameOf?: (frame: UserFrame, pid: number) => string;
  /** Its children count as well. They run the same executable, which no other case runs. */
  readonly hasChildren?: boolean;
}

/** A case that runs. */
export interface RunningCase {
  readonly unwindingCase: UnwindingCase;
  readonly process: RunningCommand;
}

/** Of a second or more of CPU time that a case has, even beside others and on a busy machine. */
const SAMPLES_MIN = 50;
const COMPLETE_SHARE = 0.99;
/** Of the samples in a chain's leaf; the rest are at a leaf's first and last instructions. */
const CHAIN_SHARE = 0.95;
const SHARE_OF_ALL = 0.5;
/** Not a divisor of any usual timer, so that nothing runs in step with it. */
const FREQUENCY = "997";
const EXAMPLES_MAX = 5;
const TEXT_FRAMES_MAX = 16;
const TEXT_CHAIN_MAX = 300;
const TEXT_LEAF_FRAMES = 10;
const TEXT_NAME_MAX = 50;
const POLL_MS = 20;
const SAMPLED_BEFORE_MS = 500;
const PERF_EVENT_LINK = "anon_inode:[perf_event]";
/** A third of a usual process's weight. */
const NICENESS = "5";

/**
 * Starts a case; its process ends with the test that disposes of it.
 *
 * @param cwd  where runtimes leave what they log
 */
export async function startCase(unwindingCase: UnwindingCase, cwd: string): Promise<RunningCase> {
  const env = { ...process.env, ...unwindingCase.env };
  // The profiler is to start as fast beside many busy programs as beside one.
  const words = ["-n", NICENESS, ...unwindingCase.command];
  return { unwindingCase, process: await startCommand("nice", words, { env, cwd }) };
}

/**
 * Records with `obsforge record` and these flags, and reads what it wrote.
 *
 * @param onSampling  called when the CPUs are sampled
 */
export async function recordBatch(
  path: string,
  flags: readonly string[],
  onSampling: () => void = () => {},
): Promise<ProfileBatch> {
  await using recorder = await startObsforge(["record", "-F", FREQUENCY, "-o", path, ...flags]);
  await untilSampling(recorder);
  onSampling();
  const result = await recorder.ended;
  assert.equal(result.code, 0, result.stderr);
  return readProfile(path);
}

/** For each CPU it has opened the event that tells of mappings, and then the one that samples. */
async function untilSampling(recorder: RunningCommand): Promise<void> {
  let hasEnded = false;
  void recorder.ended.then(() => {
    hasEnded = true;
  });
  const events = 2 * availableParallelism();
  while (!hasEnded && openPerfEvents(recorder.pid) < events) await sleep(POLL_MS);
  await sleep(SAMPLED_BEFORE_MS);
}

function openPerfEvents(pid: number): number {
  const folder = `/proc/${pid}/fd`;
  try {
    const links = readdirSync(folder).map((fd) => readlinkSync(`${folder}/${fd}`));
    return links.filter((link) => link === PERF_EVENT_LINK).length;
  } catch {
    // A descriptor was closed between the two, or the process has ended.
    return 0;
  }
}

/** A profile that a recording wrote. */
export function readProfile(path: string): ProfileBatch {
  const format = formatOfPath(path);
  assert.ok(format);
  return format.decode(readFileSync(path), FILE_LIMITS);
}

/** Of a case's process, and of its children where they count. */
export function samplesOf(
  running: RunningCase,
  samples: readonly ProcessSample[],
): ProcessSample[] {
  const { unwindingCase, process } = running;
  const own = (sample: ProcessSample): boolean =>
    sample.pid === process.pid ||
    (unwindingCase.hasChildren === true && sample.executablePath === unwindingCase.command[0]);
  return named(samples.filter(own), unwindingCase);
}

/** Every check of a case: enough samples, complete, to the thread's start, the call chains. */
export function assertUnwound(
  unwindingCase: UnwindingCase,
  samples: readonly ProcessSample[],
): void {
  const all = sampleCount(samples);
  assert.ok(all >= SAMPLES_MIN, `${all} samples`);
  assertComplete(samples, unwindingCase.completeShare ?? COMPLETE_SHARE);
  assertStarts(samples);
  for (const chain of unwindingCase.chains) assertChain(chain, samples);
}

/**
 * What is claimed is true, however little it is: what is complete goes to its thread's start, and
 * what is above a chain's leaf is the chain, as far as the stack goes.
 *
 * @param tolerance  the share that may be wrong; when not given, 1 % of ends and 5 % of chains,
 *   since a leaf's first and last instructions may not say who called it
 */
export function assertNeverWrong(
  { chains }: UnwindingCase,
  samples: readonly ProcessSample[],
  tolerance?: number,
): void {
  assert.ok(sampleCount(samples) >= SAMPLES_MIN, `${sampleCount(samples)} samples`);
  assertStarts(samples, tolerance);
  for (const { frames: chain, share = SHARE_OF_ALL } of chains) {
    const inLeaf = samples.filter((sample) => isIn(chain[0] as FramePattern, sample));
    const ofAll = sampleCount(inLeaf) / sampleCount(samples);
    assert.ok(ofAll >= share, `${percent(ofAll)} are in ${chain[0]}:\n${examples(samples)}`);
    const wrong = inLeaf.filter(({ frames }) => {
      const first = frames.findIndex(({ name }) => matches(chain[0] as FramePattern, name));
      const above = frames.slice(first, first + chain.length);
      return !above.every(({ name }, index) => matches(chain[index] as FramePattern, name));
    });
    assert.ok(
      sampleCount(wrong) <= sampleCount(inLeaf) * (tolerance ?? 1 - CHAIN_SHARE),
      `${sampleCount(wrong)} of ${sampleCount(inLeaf)} are wrong:\n${examples(wrong)}`,
    );
  }
}

/** At least this share of the samples are complete. */
export function assertComplete(samples: readonly ProcessSample[], share: number): void {
  const complete =
    sampleCount(samples.filter(({ code }) => code === COMPLETE)) / sampleCount(samples);
  assert.ok(
    complete >= share,
    `${percent(complete)} complete: ${JSON.stringify([...sumByCode(samples)])}\n${examples(
      samples.filter(({ code }) => code !== COMPLETE),
    )}`,
  );
}

/** What is said to be complete has a thread's start as its outermost frame: never a wrong end. */
export function assertStarts(
  samples: readonly ProcessSample[],
  tolerance: number = 1 - COMPLETE_SHARE,
): void {
  const complete = samples.filter(({ code }) => code === COMPLETE);
  const wrong = complete.filter(({ frames }) => !isStart(frames.at(-1)));
  assert.ok(
    sampleCount(wrong) <= sampleCount(complete) * tolerance,
    `${sampleCount(wrong)} of ${sampleCount(complete)} complete stacks do not end at a start:\n${examples(wrong)}`,
  );
}

function isStart(frame: UserFrame | undefined): boolean {
  // A sample taken before or after all of a thread's user code has no frame of it.
  return frame === undefined || isThreadStart(frame);
}

function assertChain({ frames, share }: CallChain, samples: readonly ProcessSample[]): void {
  const inLeaf = samples.filter((sample) => isIn(frames[0] as FramePattern, sample));
  const withChain = inLeaf.filter((sample) => hasChain(frames, sample));
  const text = frames
    .map((frame) => frame ?? "any")
    .join(" ← ")
    .slice(0, TEXT_CHAIN_MAX);
  const ofAll = sampleCount(withChain) / sampleCount(samples);
  const without = samples.filter((sample) => !withChain.includes(sample));
  assert.ok(
    ofAll >= (share ?? SHARE_OF_ALL),
    `${percent(ofAll)} of all have ${text}, but\n${examples(without)}`,
  );
  const ofLeaf = sampleCount(withChain) / sampleCount(inLeaf);
  assert.ok(
    ofLeaf >= CHAIN_SHARE,
    `${percent(ofLeaf)} in the leaf have ${text}, but\n${examples(without)}`,
  );
}

function isIn(pattern: FramePattern, { frames }: ProcessSample): boolean {
  return frames.some(({ name }) => matches(pattern, name));
}

function hasChain(chain: readonly FramePattern[], { frames }: ProcessSample): boolean {
  return frames.some((_, first) =>
    chain.every((pattern, index) => {
      const frame = frames[first + index];
      return frame !== undefined && matches(pattern, frame.name);
    }),
  );
}

function matches(pattern: FramePattern, name: string): boolean {
  if (pattern === null) return true;
  return typeof pattern === "string" ? pattern === name : pattern.test(name);
}

function named(samples: ProcessSample[], { nameOf }: UnwindingCase): ProcessSample[] {
  if (nameOf === undefined) return samples;
  return samples.map((sample) => ({
    ...sample,
    frames: sample.frames.map((frame) => ({ ...frame, name: nameOf(frame, sample.pid) })),
  }));
}

/** The most frequent stacks, as text for the message of a failed test. */
function examples(samples: readonly ProcessSample[]): string {
  const counts = new Map<string, number>();
  for (const sample of samples) {
    const text = stackText(sample);
    counts.set(text, (counts.get(text) ?? 0) + sample.count);
  }
  const mostFrequent = [...counts].sort(([, a], [, b]) => b - a).slice(0, EXAMPLES_MAX);
  return mostFrequent.map(([text, count]) => `  ${count} × ${text}`).join("\n");
}

function stackText({ frames, code }: ProcessSample): string {
  const names = frames.map(({ name, path, address }) =>
    (name || `${path.split("/").at(-1)}+0x${address.toString(16)}`).slice(0, TEXT_NAME_MAX),
  );
  const cut = names.toSpliced(TEXT_LEAF_FRAMES, names.length - TEXT_FRAMES_MAX, "…");
  return `${(names.length > TEXT_FRAMES_MAX ? cut : names).join(" ← ")} [${code}]`;
}

/** Samples of the rows together. */
export function sampleCount(samples: readonly ProcessSample[]): number {
  return samples.reduce((total, { count }) => total + count, 0);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}
