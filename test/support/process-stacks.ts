import { valueText } from "../../src/profiles/attribute-value.ts";
import type { Dictionary } from "../../src/profiles/dictionary.ts";
import type { Profile, ProfileBatch } from "../../src/profiles/profile.ts";

/** A frame of user code. */
export interface UserFrame {
  /** "" when nothing names it. */
  readonly name: string;
  /** The file's path, or what stands for it, as [vdso]; "" outside of every mapping. */
  readonly path: string;
  /** Of the file, or of the process where there is no file. */
  readonly address: bigint;
}

/** Equal samples of one process. */
export interface ProcessSample {
  readonly pid: number;
  readonly executablePath: string;
  /** Leaf first, without the kernel's frames. */
  readonly frames: readonly UserFrame[];
  /** COMPLETE, or what marks the outermost frame, as "incomplete: no table" and "truncated". */
  readonly code: string;
  readonly count: number;
}

/** The result code of a stack that goes to where its thread started. */
export const COMPLETE = "complete";

/** What stands in the place of a name, as libc.so.6+0x1098eb. */
const placeName = /^(0x[0-9a-f]+|.*\+0x[0-9a-f]+)$/;
/** Of a process whose tables are asked for and not there yet. */
const NOT_LOADED = "incomplete: tables not loaded";

const marker = /^\[(truncated|incomplete: .*)\]$/;

/**
 * The samples/count rows of a batch.
 *
 * @param sinceOf  leaves out what was sampled of a process until then, in nanoseconds since 1970;
 *   the batch has timestamps then
 */
export function processSamples(
  batch: ProfileBatch,
  sinceOf?: (pid: number) => bigint,
): ProcessSample[] {
  const samples: ProcessSample[] = [];
  const stacks = new Map<number, ReturnType<typeof userStack>>();
  for (const { profile, resource } of batch.profiles()) {
    if (batch.dictionary.strings.at(profile.sampleType.type) !== "samples") continue;
    const values = new Map(resource.resource.attributes.map(({ key, value }) => [key, value]));
    const text = (key: string): string => {
      const value = values.get(key);
      return value === undefined ? "" : valueText(value);
    };
    const pid = Number(text("process.pid"));
    const executablePath = text("process.executable.path");
    const since = sinceOf?.(pid) ?? 0n;
    for (let sample = 0; sample < profile.samples.length; sample++) {
      const row = profile.samples.stack.at(sample);
      const stack = stacks.getOrInsertComputed(row, () => userStack(batch.dictionary, row));
      const count =
        sinceOf === undefined
          ? profile.samples.value.at(sample)
          : timesOf(profile, sample).filter((time) => time > since).length;
      if (count > 0) samples.push({ pid, executablePath, ...stack, count });
    }
  }
  return samples;
}

/** When a process was last sampled while its tables were on their way; by pid. */
export function lastSampledUnloaded(batch: ProfileBatch): Map<number, bigint> {
  const last = new Map<number, bigint>();
  for (const { profile, resource } of batch.profiles()) {
    const pid = resource.resource.attributes.find(({ key }) => key === "process.pid")?.value;
    if (pid === undefined) continue;
    for (let sample = 0; sample < profile.samples.length; sample++) {
      const { code } = userStack(batch.dictionary, profile.samples.stack.at(sample));
      if (code !== NOT_LOADED) continue;
      const key = Number(valueText(pid));
      for (const time of timesOf(profile, sample)) {
        if (time > (last.get(key) ?? 0n)) last.set(key, time);
      }
    }
  }
  return last;
}

function timesOf({ samples }: Profile, sample: number): bigint[] {
  const times: bigint[] = [];
  for (let at = samples.timestampStart(sample); at < samples.timestampEnd(sample); at++) {
    times.push(samples.timestampUnixNano.bigint(at));
  }
  return times;
}

/** Samples by result code: COMPLETE, "truncated", "incomplete: …". */
export function resultCodes(batch: ProfileBatch): Map<string, number> {
  return sumByCode(processSamples(batch));
}

/** The same of samples that were chosen. */
export function sumByCode(samples: readonly ProcessSample[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { code, count } of samples) sums.set(code, (sums.get(code) ?? 0) + count);
  return sums;
}

function userStack(
  dictionary: Dictionary,
  row: number,
): { readonly frames: readonly UserFrame[]; readonly code: string } {
  const frames: UserFrame[] = [];
  for (const location of dictionary.stacks.row(row)) {
    if (frameType(dictionary, location) !== "kernel") frames.push(userFrame(dictionary, location));
  }
  const code = marker.exec(frames.at(-1)?.name ?? "")?.[1];
  return code === undefined ? { frames, code: COMPLETE } : { frames: frames.slice(0, -1), code };
}

function userFrame(dictionary: Dictionary, location: number): UserFrame {
  const { locations, functions, mappings, strings } = dictionary;
  // Of what was inlined there the last: it has the frame on the stack.
  const line = locations.lineEnd(location) - 1;
  const isNamed = line >= locations.lineStart(location);
  const name = isNamed ? strings.at(functions.name.at(locations.lineFunction.at(line))) : "";
  return {
    name: placeName.test(name) ? "" : name,
    path: strings.at(mappings.filename.at(locations.mapping.at(location))),
    address: locations.address.bigint(location),
  };
}

function frameType(dictionary: Dictionary, location: number): string {
  const attributes = dictionary.locations.attributeSet.at(location);
  const value = dictionary.findAttribute(attributes, "profile.frame.type");
  return value === undefined ? "" : valueText(value);
}
