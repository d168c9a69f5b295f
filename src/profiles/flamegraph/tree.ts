import type { FlameGraphColumns, FlameProfile, SampleColumns } from "./columns.ts";
import { type FunctionKeys, functionKeysOf, NO_FRAME } from "./function-keys.ts";
import { NO_ROOM, NODES_MAX, NodeTable } from "./node-table.ts";

/** The name of a tree's root, which stands for all samples. */
export const ROOT_NAME = "root";

/** Which samples a tree is of, and what is done to their stacks before. */
export interface TreeShape {
  /** Index of the sample type, 0 unless it is given. */
  readonly type?: number;
  /** Leaves become the first level: the tree is read from the functions that use the value. */
  readonly invert?: boolean;
  /**
   * Recursion is collapsed: where a function is entered again, directly or not, what lies between
   * its first frame and this one is left out, so that each function stands once in a stack.
   */
  readonly collapse?: boolean;
  /** Functions whose frames are taken out of stacks; their value is their caller's. */
  readonly hide?: ((name: string) => boolean) | undefined;
  /** Only stacks with such a function are shown. */
  readonly focus?: ((name: string) => boolean) | undefined;
  /** Stacks with such a function are not shown. */
  readonly remove?: ((name: string) => boolean) | undefined;
  /** Whether samples with a label set are shown. */
  readonly keeps?: ((labelSet: number) => boolean) | undefined;
  /** The name of the first level for a label set. */
  readonly rootOf?: ((labelSet: number) => string) | undefined;
  /** One function's callees or callers, from its outermost frame; its name is the root's. */
  readonly sandwich?: { readonly name: string; readonly part: "callees" | "callers" } | undefined;
  readonly nodesMax?: number;
}

export interface FlameTreeResult {
  readonly columns: FlameGraphColumns;
  /** The value of all samples of the type, those that are not shown included. */
  readonly whole: number;
  readonly wholeBefore: number;
  /** Whether stacks were cut short because the tree was full; totals are right nevertheless. */
  readonly isCut: boolean;
}

/** Makes a tree of a profile: what is shown of each sample is counted in exactly one node. */
export function buildTree(profile: FlameProfile, shape: TreeShape = {}): FlameTreeResult {
  const type = profile.types[shape.type ?? 0];
  const groups = groupsOf(profile, shape);
  const root = shape.sandwich?.name ?? ROOT_NAME;
  const keys = functionKeysOf(profile, [root, ...groups.names]);
  const nodes = new NodeTable(shape.nodesMax ?? NODES_MAX);
  nodes.setRoot(keys.firstAdded, NO_FRAME);
  const placer = new StackPlacer({ profile, shape, keys, nodes });
  const sides = [type?.samples, type?.before];
  const sums = groups.hasLevel
    ? sumsByGroup(sides, groups.ofLabelSet, groups.names.length)
    : [sumsOf(sides, profile.stacks.parent.length, groups.ofLabelSet)];
  for (const [group, { stacks, after, before }] of sums.entries()) {
    if (stacks.length === 0) continue;
    placer.begin(groups.hasLevel ? keys.firstAdded + 1 + group : undefined);
    for (let at = 0; at < stacks.length; at++) {
      const node = placer.nodeOf(stacks[at] as number);
      if (node >= 0) nodes.add(node, after[at] as number, before[at] as number);
    }
  }
  return {
    columns: nodes.columns(keys, type?.before !== undefined),
    whole: totalOf(type?.samples),
    wholeBefore: totalOf(type?.before),
    isCut: placer.isCut,
  };
}

interface Groups {
  readonly hasLevel: boolean;
  /** Names of the first level, sorted. */
  readonly names: readonly string[];
  /** The group of each label set, -1 for samples that are not shown. */
  readonly ofLabelSet: Int32Array;
}

function groupsOf({ labelSets }: FlameProfile, { keeps, rootOf }: TreeShape): Groups {
  const sets = [...labelSets.ends.keys()];
  const isKept = (set: number): boolean => keeps === undefined || keeps(set);
  if (rootOf === undefined) {
    const ofLabelSet = Int32Array.from(sets, (set) => (isKept(set) ? 0 : -1));
    return { hasLevel: false, names: [], ofLabelSet };
  }
  const nameOf = sets.map((set) => (isKept(set) ? rootOf(set) : undefined));
  const names = [...new Set(nameOf.filter((name) => name !== undefined))].sort();
  const places = new Map(names.map((name, place) => [name, place]));
  const ofLabelSet = Int32Array.from(nameOf, (name) => places.get(name ?? "") ?? -1);
  for (const [set, name] of nameOf.entries()) if (name === undefined) ofLabelSet[set] = -1;
  return { hasLevel: true, names, ofLabelSet };
}

/** Values by stack, each stack once. */
interface StackSums {
  readonly stacks: ArrayLike<number>;
  readonly after: ArrayLike<number>;
  readonly before: ArrayLike<number>;
}

type Sides = readonly (SampleColumns | undefined)[];

function sumsOf(sides: Sides, stackCount: number, ofLabelSet: Int32Array): StackSums {
  const sums = [new Float64Array(stackCount), new Float64Array(stackCount)];
  const isUsed = new Uint8Array(stackCount);
  for (const [side, samples] of sides.entries()) {
    if (samples === undefined) continue;
    const { stack, labelSet, value } = samples;
    const sum = sums[side] as Float64Array;
    for (let at = 0; at < value.length; at++) {
      if ((ofLabelSet[labelSet[at] as number] as number) < 0 || value[at] === 0) continue;
      const row = stack[at] as number;
      isUsed[row] = 1;
      sum[row] = (sum[row] as number) + (value[at] as number);
    }
  }
  let count = 0;
  const stacks = new Uint32Array(stackCount);
  for (let at = 0; at < stackCount; at++) if (isUsed[at] === 1) stacks[count++] = at;
  const used = stacks.subarray(0, count);
  const pick = (sum: Float64Array): Float64Array =>
    Float64Array.from(used, (stack) => sum[stack] as number);
  return {
    stacks: used,
    after: pick(sums[0] as Float64Array),
    before: pick(sums[1] as Float64Array),
  };
}

function sumsByGroup(sides: Sides, ofLabelSet: Int32Array, groupCount: number): StackSums[] {
  const sums = Array.from({ length: groupCount }, () => ({
    stacks: [] as number[],
    after: [] as number[],
    before: [] as number[],
    places: new Map<number, number>(),
  }));
  for (const [side, samples] of sides.entries()) {
    if (samples === undefined) continue;
    const { stack, labelSet, value } = samples;
    for (let at = 0; at < value.length; at++) {
      const group = sums[ofLabelSet[labelSet[at] as number] as number];
      if (group === undefined || value[at] === 0) continue;
      const row = stack[at] as number;
      let place = group.places.get(row);
      if (place === undefined) {
        place = group.stacks.push(row) - 1;
        group.places.set(row, place);
        group.after.push(0);
        group.before.push(0);
      }
      const sum = side === 0 ? group.after : group.before;
      sum[place] = (sum[place] as number) + (value[at] as number);
    }
  }
  return sums;
}

function totalOf(samples: SampleColumns | undefined): number {
  let total = 0;
  for (const value of samples?.value ?? []) total += value;
  return total;
}

/** The stack is not shown. */
const LEFT_OUT = -1;

interface PlacerInput {
  readonly profile: FlameProfile;
  readonly shape: TreeShape;
  readonly keys: FunctionKeys;
  readonly nodes: NodeTable;
}

/** Finds or makes the node in which a stack's own value is counted. */
class StackPlacer {
  isCut = false;
  readonly #stacks: FlameProfile["stacks"];
  readonly #frames: FlameProfile["frames"];
  readonly #keys: FunctionKeys;
  readonly #nodes: NodeTable;
  readonly #shape: TreeShape;
  readonly #isHidden: Uint8Array | undefined;
  readonly #isLeftOut: Uint8Array | undefined;
  /** The name of the sandwich's function, -1 when there is none such, undefined without one. */
  readonly #pivot: number | undefined;
  /** The node of each stack that was placed in this turn. */
  readonly #placed: Uint32Array;
  /** The turn in which it was, and whether it lies below a cut: 2 × turn + cut. */
  readonly #turnOf: Uint32Array;
  /** Place in the path of each key's frame; for collapsing. */
  readonly #openAt: Uint32Array;
  readonly #path: number[] = [];
  #turn = 0;
  #firstLevel: number | undefined;
  #start = 0;

  constructor({ profile, shape, keys, nodes }: PlacerInput) {
    this.#stacks = profile.stacks;
    this.#frames = profile.frames;
    this.#keys = keys;
    this.#nodes = nodes;
    this.#shape = shape;
    this.#isHidden = shape.hide && namesThat(profile.names, shape.hide);
    this.#isLeftOut = leftOut(profile, shape);
    if (shape.sandwich) this.#pivot = profile.names.indexOf(shape.sandwich.name);
    const stackCount = profile.stacks.parent.length;
    this.#placed = new Uint32Array(stackCount);
    this.#turnOf = new Uint32Array(stackCount);
    this.#openAt = new Uint32Array(keys.count);
  }

  /** Stacks are placed below the root's child of this key from now on, or below the root. */
  begin(firstLevel: number | undefined): void {
    this.#firstLevel = firstLevel;
    this.#start = 0;
    this.#turn++;
  }

  nodeOf(stack: number): number {
    if (this.#isLeftOut?.[stack] === 1) return LEFT_OUT;
    if (!this.#shape.invert && this.#pivot === undefined) return this.#placePrefix(stack);
    return this.#placePath(stack);
  }

  /** Places a stack and all its callers, of which those that were placed before are known. */
  #placePrefix(stack: number): number {
    const { parent } = this.#stacks;
    this.#openFirstLevel();
    const open = this.#path;
    let count = 0;
    let at = stack;
    while (at !== 0 && (this.#turnOf[at] as number) >> 1 !== this.#turn) {
      open[count++] = at;
      at = parent[at] as number;
    }
    let node = at === 0 ? this.#start : (this.#placed[at] as number);
    let cut = at === 0 ? 0 : (this.#turnOf[at] as number) & 1;
    while (count > 0) {
      at = open[--count] as number;
      const below = cut === 1 ? NO_ROOM : this.#below(node, at);
      if (below === NO_ROOM) cut = 1;
      else node = below;
      this.#placed[at] = node;
      this.#turnOf[at] = 2 * this.#turn + cut;
    }
    if (cut === 1) this.isCut = true;
    return node;
  }

  /** Only for a stack that is shown: a first level without any does not stand in the tree. */
  #openFirstLevel(): void {
    if (this.#firstLevel === undefined || this.#start !== 0) return;
    this.#start = Math.max(0, this.#nodes.child(0, this.#firstLevel, NO_FRAME));
  }

  #below(node: number, stack: number): number {
    const frame = this.#stacks.frame[stack] as number;
    if (this.#isHidden?.[this.#frames.name[frame] as number] === 1) return node;
    const key = this.#keys.ofFrame[frame] as number;
    if (this.#shape.collapse) {
      for (let at = node; at !== this.#start; at = this.#nodes.parentOf(at)) {
        if (this.#nodes.keyOf(at) === key) return at;
      }
    }
    return this.#nodes.child(node, key, frame);
  }

  /** Places a stack's frames one by one: from the leaf, or from the sandwich's function. */
  #placePath(stack: number): number {
    const part = this.#shape.sandwich?.part;
    let path = this.#pathOf(stack);
    if (part !== undefined) {
      const pivot = path.findIndex((frame) => this.#frames.name[frame] === this.#pivot);
      if (pivot < 0) return LEFT_OUT;
      path = part === "callers" ? path.slice(0, pivot) : path.slice(pivot + 1);
    }
    if (part !== "callees") path.reverse();
    this.#openFirstLevel();
    let node = this.#start;
    for (const frame of path) {
      const below = this.#nodes.child(node, this.#keys.ofFrame[frame] as number, frame);
      if (below === NO_ROOM) {
        this.isCut = true;
        return node;
      }
      node = below;
    }
    return node;
  }

  /** The frames of a stack from the root on, after hiding and collapsing. */
  #pathOf(stack: number): number[] {
    const { parent, frame: frameOf } = this.#stacks;
    const frames: number[] = [];
    for (let at = stack; at !== 0; at = parent[at] as number) frames.push(frameOf[at] as number);
    const path: number[] = [];
    for (let at = frames.length - 1; at >= 0; at--) {
      const frame = frames[at] as number;
      if (this.#isHidden?.[this.#frames.name[frame] as number] === 1) continue;
      if (this.#shape.collapse) {
        const key = this.#keys.ofFrame[frame] as number;
        const first = path[this.#openAt[key] as number];
        if (first !== undefined && this.#keys.ofFrame[first] === key) {
          path.length = (this.#openAt[key] as number) + 1;
          continue;
        }
        this.#openAt[key] = path.length;
      }
      path.push(frame);
    }
    return path;
  }
}

function namesThat(names: readonly string[], rule: (name: string) => boolean): Uint8Array {
  return Uint8Array.from(names, (name) => (rule(name) ? 1 : 0));
}

/** 1 for each stack that focus or remove leaves out; undefined when neither is set. */
function leftOut({ names, stacks, frames }: FlameProfile, { focus, remove }: TreeShape) {
  if (focus === undefined && remove === undefined) return undefined;
  const isFocused = focus && namesThat(names, focus);
  const isRemoved = remove && namesThat(names, remove);
  const count = stacks.parent.length;
  const hasFocused = new Uint8Array(count);
  const hasRemoved = new Uint8Array(count);
  for (let at = 1; at < count; at++) {
    const name = frames.name[stacks.frame[at] as number] as number;
    const caller = stacks.parent[at] as number;
    hasFocused[at] = (hasFocused[caller] as number) | (isFocused?.[name] ?? 0);
    hasRemoved[at] = (hasRemoved[caller] as number) | (isRemoved?.[name] ?? 0);
  }
  if (isFocused === undefined) return hasRemoved;
  return hasFocused.map((has, at) => (has === 1 ? (hasRemoved[at] as number) : 1));
}
