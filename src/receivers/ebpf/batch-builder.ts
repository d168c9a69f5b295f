import { intValue, type KeyValue, stringValue } from "../../profiles/attribute-value.ts";
import {
  emptyProfile,
  type Profile,
  ProfileBatch,
  type ResourceProfiles,
  type Samples,
  type Scope,
} from "../../profiles/profile.ts";
import type { ExecutableRegistry } from "../../symbols/executables.ts";
import type { JitMaps } from "../../symbols/jit/jit-maps.ts";
import type { KernelLayout } from "../../symbols/kernel/layout.ts";
import type { ContainerIds } from "./container-ids.ts";
import type { ProgramIdentity } from "./process-image.ts";
import { sampleResult } from "./sample-record.ts";
import type { SampleWindow, WindowRow } from "./sample-window.ts";
import { StackLocations } from "./stack-locations.ts";

/** The conventions that the attributes below are named by. */
const SCHEMA_URL = "https://opentelemetry.io/schemas/1.37.0";

export interface BatchOptions {
  readonly scope: Scope;
  /** When the window began and how long it was. */
  readonly startUnixNano: bigint;
  readonly durationNano: bigint;
  /** Nanoseconds of CPU time between two samples of a CPU. */
  readonly periodNano: number;
  /** What is added to a time of the monotonic clock to get one since 1970. */
  readonly monotonicToUnixNano: bigint;
  readonly timestamps: boolean;
  readonly executables: ExecutableRegistry;
  readonly jitMaps: JitMaps;
  readonly kernel: KernelLayout;
  readonly containers: ContainerIds;
}

/**
 * Makes the batch of a window, in the shape that OpenTelemetry's profiler sends: one resource
 * for each program that ran, one profile of samples/count in it, the thread and the CPU as
 * attributes of a sample. By default a sample has one summed value; with timestamps it has
 * one for each tick.
 */
export function buildBatch(window: SampleWindow, options: BatchOptions): ProfileBatch {
  const batch = new ProfileBatch();
  const stacks = new StackLocations(batch.dictionary, options);
  const groups = new Map<ProgramIdentity, Map<string, SampleGroup>>();
  for (const [index, row] of window.rows.entries()) {
    const stack = internStack(batch, stacks, window, row);
    const attributeSet = internThread(batch, row);
    const ofProgram = groups.getOrInsertComputed(row.image.program, () => new Map());
    const group = ofProgram.getOrInsertComputed(`${stack}/${attributeSet}`, () => ({
      stack,
      attributeSet,
      rows: [],
    }));
    group.rows.push(index);
  }
  const timesByRow = options.timestamps ? groupTimes(window) : undefined;
  for (const ofProgram of groups.values()) {
    const [first] = ofProgram.values();
    const row = window.rows[first?.rows[0] ?? 0] as WindowRow;
    const { samples } = addResource(batch, row, options);
    for (const group of ofProgram.values()) {
      if (timesByRow === undefined) pushSum(samples, group, window);
      else pushTimes(samples, group, { timesByRow, offset: options.monotonicToUnixNano });
    }
  }
  return batch;
}

/** Rows that became one sample: their stacks differed only in what was no frame. */
interface SampleGroup {
  readonly stack: number;
  readonly attributeSet: number;
  readonly rows: number[];
}

function pushSum(samples: Samples, group: SampleGroup, window: SampleWindow): void {
  const value = group.rows.reduce((sum, row) => sum + window.values.at(row), 0);
  samples.push(group.stack, group.attributeSet, 0, value);
}

function pushTimes(
  samples: Samples,
  group: SampleGroup,
  { timesByRow, offset }: { timesByRow: readonly bigint[][]; offset: bigint },
): void {
  const times = group.rows.flatMap((row) => timesByRow[row] ?? []);
  for (const time of times.sort((a, b) => (a < b ? -1 : 1))) {
    samples.timestampUnixNano.pushBigInt(time + offset);
  }
  samples.pushTimed(group.stack, group.attributeSet, 0);
}

function internStack(
  batch: ProfileBatch,
  stacks: StackLocations,
  window: SampleWindow,
  row: WindowRow,
): number {
  const locations: number[] = [];
  stacks.addKernel(locations, window.kernelStacks, row.kernelStack);
  const { image, userStack } = row;
  const isChain = stacks.addUser(locations, window.userStacks, { image, stack: userStack });
  // An address outside of all code shows a guess that went wrong where the kernel saw none.
  const isWrong = !isChain && row.result === sampleResult.complete;
  stacks.addResult(locations, isWrong ? sampleResult.notAFrame : row.result);
  return batch.dictionary.stacks.intern(locations);
}

function internThread(batch: ProfileBatch, row: WindowRow): number {
  const { attributes, attributeSets, strings } = batch.dictionary;
  return attributeSets.intern([
    attributes.intern(strings.intern("thread.name"), stringValue(row.threadName), 0),
    attributes.intern(strings.intern("thread.id"), intValue(row.threadId), 0),
    attributes.intern(strings.intern("cpu.logical_number"), intValue(row.cpu), 0),
  ]);
}

function addResource(batch: ProfileBatch, row: WindowRow, options: BatchOptions): Profile {
  const { strings } = batch.dictionary;
  const profile: Profile = {
    ...emptyProfile(options.timestamps ? "timestamps" : "values"),
    sampleType: { type: strings.intern("samples"), unit: strings.intern("count") },
    periodType: { type: strings.intern("cpu"), unit: strings.intern("nanoseconds") },
    period: options.periodNano,
    timeUnixNano: options.startUnixNano,
    durationNano: options.durationNano,
  };
  const resource: ResourceProfiles = {
    resource: {
      attributes: resourceAttributes(row, options.containers),
      droppedAttributesCount: 0,
    },
    schemaUrl: SCHEMA_URL,
    scopeProfiles: [{ scope: options.scope, schemaUrl: SCHEMA_URL, profiles: [profile] }],
  };
  batch.resourceProfiles.push(resource);
  return profile;
}

/** A kernel thread has a pid and nothing else; its name is that of its thread. */
function resourceAttributes(row: WindowRow, containers: ContainerIds): KeyValue[] {
  const { image } = row;
  const attributes: KeyValue[] = [{ key: "process.pid", value: intValue(image.pid) }];
  if (image.isKernelThread) return attributes;
  const addText = (key: string, text: string): void => {
    if (text !== "") attributes.push({ key, value: stringValue(text) });
  };
  const path = image.executablePath;
  const fileName = path.slice(path.lastIndexOf("/") + 1);
  addText("process.executable.path", path);
  addText("process.executable.name", fileName || image.processName || row.processName);
  addText("container.id", containers.of(image));
  return attributes;
}

/** The times of every row, in the order in which the samples came. */
function groupTimes(window: SampleWindow): bigint[][] {
  const byRow: bigint[][] = window.rows.map(() => []);
  for (const [index, time] of window.times.entries()) byRow[window.timedRows.at(index)]?.push(time);
  return byRow;
}
