import { limitExceeded } from "../../support/errors.ts";
import { VALUE_MAX } from "../../support/limits.ts";
import type { Dictionary } from "../dictionary.ts";
import { defaultSampleType } from "../pprof/batch-notes.ts";
import { ColumnPlan } from "../pprof/value-columns.ts";
import type { Profile, ProfileBatch, Resource } from "../profile.ts";
import { FrameNames } from "../text/frames.ts";
import type { Exposure, FlameProfile, FlameSampleType, SampleColumns } from "./columns.ts";
import { FrameTable } from "./frame-table.ts";
import { LabelTables } from "./label-tables.ts";
import { NO_ROOM, NodeTable } from "./node-table.ts";

/** Distinct stack prefixes of one profile: 16 million take 1 GB while they are gathered. */
const STACK_NODES_MAX = 1 << 24;

/**
 * A batch as a flame graph needs it: inlined functions are frames of their own, attributes of
 * resources, profiles and samples are labels, samples of equal stack and labels are one. CPU
 * profiles that hold counts and a period have their CPU time as a sample type, as in pprof.
 *
 * @throws LIMIT_EXCEEDED  more stacks than can be shown, or a sum that is not exact any more
 */
export function flameProfileOf(batch: ProfileBatch, title: string): FlameProfile {
  const { frames, names, files, ofLocation } = framesOf(batch);
  const trie = new StackTrie(batch.dictionary, ofLocation);
  const labels = new LabelTables(batch.dictionary);
  const plan = new ColumnPlan(batch);
  const sums = plan.columns.map(() => new SampleSums());
  for (const { profile, resource } of batch.profiles()) {
    const main = sums[plan.columnOf(profile)] as SampleSums;
    const derived = sums[plan.derived];
    const scale = plan.derivedScale(profile);
    const { samples } = profile;
    for (let at = 0; at < samples.length; at++) {
      const value = samples.value.at(at);
      const stack = trie.nodeOf(samples.stack.at(at));
      const set = labels.setOf(
        resource.resource,
        profile.attributeSet,
        samples.attributeSet.at(at),
      );
      main.add(stack, set, value);
      if (scale > 0) derived?.add(stack, set, value * scale);
    }
  }
  const { parent, key, placeOf } = trie.finish(frames.name.length);
  const types = plan.columns.map(({ type, unit }, at) => ({
    name: type,
    unit,
    samples: (sums[at] as SampleSums).columns(placeOf),
  }));
  return {
    title,
    exposure: exposureOf(batch),
    names,
    files,
    frames,
    stacks: { parent, frame: key },
    ...labels.tables(),
    types: types.length > 0 ? defaultFirst(types, batch, plan) : [NO_SAMPLES],
  };
}

const NO_SAMPLES: FlameSampleType = {
  name: "samples",
  unit: "count",
  samples: { stack: new Uint32Array(), labelSet: new Uint32Array(), value: new Float64Array() },
};

/** The type that other tools show first: the file's own choice, CPU time, pprof's last. */
function defaultFirst(
  types: FlameSampleType[],
  batch: ProfileBatch,
  plan: ColumnPlan,
): FlameSampleType[] {
  const named = defaultSampleType(batch, plan);
  const fallback = plan.isFromPprof ? types.at(-1) : types[0];
  const first = types.find(({ name }) => name === named) ?? fallback;
  return types.toSorted((a, b) => Number(b === first) - Number(a === first));
}

/** Frames of the locations of all stacks that samples have. */
function framesOf(batch: ProfileBatch): {
  frames: FlameProfile["frames"];
  names: readonly string[];
  files: readonly string[];
  ofLocation: readonly (Uint32Array | undefined)[];
} {
  const { stacks } = batch.dictionary;
  const table = new FrameTable(batch.dictionary, new FrameNames(batch.dictionary));
  const isKnown = new Uint8Array(stacks.length);
  for (const { profile } of batch.profiles()) {
    const { samples } = profile;
    for (let at = 0; at < samples.length; at++) {
      const stack = samples.stack.at(at);
      if (isKnown[stack] === 1) continue;
      isKnown[stack] = 1;
      const end = stacks.end(stack);
      for (let place = stacks.start(stack); place < end; place++) table.add(stacks.item(place));
    }
  }
  return table.finish();
}

/** The trie of all stacks; equal prefixes are one row. */
class StackTrie {
  readonly #dictionary: Dictionary;
  readonly #framesOf: readonly (Uint32Array | undefined)[];
  readonly #nodes = new NodeTable(STACK_NODES_MAX);
  /** The node of each stack of the dictionary, and 1 for those that are known. */
  readonly #node: Uint32Array;
  readonly #isKnown: Uint8Array;
  /** Locations of the stack before, from the root on, and the node after each. */
  #locations: number[] = [];
  #after: number[] = [];

  constructor(dictionary: Dictionary, framesOf: readonly (Uint32Array | undefined)[]) {
    this.#dictionary = dictionary;
    this.#framesOf = framesOf;
    this.#node = new Uint32Array(dictionary.stacks.length);
    this.#isKnown = new Uint8Array(dictionary.stacks.length);
  }

  nodeOf(stack: number): number {
    if (this.#isKnown[stack] !== 1) {
      this.#node[stack] = this.#place(stack);
      this.#isKnown[stack] = 1;
    }
    return this.#node[stack] as number;
  }

  #place(stack: number): number {
    const { stacks } = this.#dictionary;
    const start = stacks.start(stack);
    const end = stacks.end(stack);
    let depth = 0;
    // Neighbours share most of their callers, which need no search then.
    while (end - 1 - depth >= start && this.#locations[depth] === stacks.item(end - 1 - depth)) {
      depth++;
    }
    let node = depth === 0 ? 0 : (this.#after[depth - 1] as number);
    for (; end - 1 - depth >= start; depth++) {
      const location = stacks.item(end - 1 - depth);
      for (const frame of this.#framesOf[location] ?? []) node = this.#below(node, frame);
      this.#locations[depth] = location;
      this.#after[depth] = node;
    }
    this.#locations.length = depth;
    this.#after.length = depth;
    return node;
  }

  #below(node: number, frame: number): number {
    const below = this.#nodes.child(node, frame, frame);
    if (below !== NO_ROOM) return below;
    throw limitExceeded("flame graph", "stacks", STACK_NODES_MAX + 1, STACK_NODES_MAX);
  }

  finish(frameCount: number): ReturnType<NodeTable["trie"]> {
    return this.#nodes.trie(Math.max(1, frameCount));
  }
}

/** Samples with one row for each stack and label set. */
class SampleSums {
  readonly #rows = new Map<number, number>();
  readonly #stack: number[] = [];
  readonly #labelSet: number[] = [];
  readonly #value: number[] = [];

  add(stack: number, labelSet: number, value: number): void {
    if (value === 0) return;
    // Both are below 2^26, so that the key is exact.
    const key = stack * 2 ** 26 + labelSet;
    const row = this.#rows.get(key);
    const sum = (row === undefined ? 0 : (this.#value[row] as number)) + value;
    if (!Number.isSafeInteger(sum)) throw limitExceeded("sample", "value", sum, VALUE_MAX);
    if (row !== undefined) {
      this.#value[row] = sum;
      return;
    }
    this.#rows.set(key, this.#stack.push(stack) - 1);
    this.#labelSet.push(labelSet);
    this.#value.push(value);
  }

  /** In the order of stacks, then label sets. */
  columns(placeOf: Uint32Array): SampleColumns {
    const stack = Uint32Array.from(this.#stack, (node) => placeOf[node] as number);
    const order = new Uint32Array(stack.length).map((_, at) => at);
    order.sort(
      (a, b) =>
        (stack[a] as number) - (stack[b] as number) ||
        (this.#labelSet[a] as number) - (this.#labelSet[b] as number),
    );
    return {
      stack: order.map((at) => stack[at] as number),
      labelSet: order.map((at) => this.#labelSet[at] as number),
      value: Float64Array.from(order, (at) => this.#value[at] as number),
    };
  }
}

/** Attributes that tell one instance from another, the surest first. */
const INSTANCE_KEYS = ["service.instance.id", "host.id", "host.name"];

/** Windows of one instance that are equal are one: its processes have profiles of their own. */
function exposureOf(batch: ProfileBatch): Exposure {
  const windows = new Map<string, Map<string, number>>();
  for (const { profile, resource } of batch.profiles()) {
    const ofInstance = windows.getOrInsertComputed(instanceOf(resource.resource), () => new Map());
    ofInstance.set(windowKey(profile), Number(profile.durationNano));
  }
  let nanos = 0;
  for (const ofInstance of windows.values()) {
    for (const duration of ofInstance.values()) nanos += duration;
  }
  return { nanos, instances: Math.max(1, windows.size) };
}

function windowKey({ timeUnixNano, durationNano }: Profile): string {
  return `${timeUnixNano}+${durationNano}`;
}

function instanceOf({ attributes }: Resource): string {
  for (const key of INSTANCE_KEYS) {
    const value = attributes.find((attribute) => attribute.key === key)?.value;
    if (value?.type === "string") return value.value;
  }
  return "";
}
