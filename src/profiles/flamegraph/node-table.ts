import type { FlameGraphColumns } from "./columns.ts";
import type { FunctionKeys } from "./function-keys.ts";

/**
 * Nodes of one tree. An inverted tree may be a hundred times its profile; what does not fit stays
 * with the caller's own value, so that totals are what they are.
 */
export const NODES_MAX = 4_000_000;

/** The answer of `child` when the tree is full. */
export const NO_ROOM = -1;

const FIRST_NODES = 1024;

/** A prefix tree that grows by asking for a node's child by its key. */
export class NodeTable {
  count = 1;
  #parent: Uint32Array<ArrayBuffer> = new Uint32Array(FIRST_NODES);
  #key: Uint32Array<ArrayBuffer> = new Uint32Array(FIRST_NODES);
  /** The lowest frame that was seen at the node: it says line and kind. */
  #frame: Uint32Array<ArrayBuffer> = new Uint32Array(FIRST_NODES);
  #self: Float64Array<ArrayBuffer> = new Float64Array(FIRST_NODES);
  #selfBefore: Float64Array<ArrayBuffer> = new Float64Array(FIRST_NODES);
  #hasSample: Uint8Array<ArrayBuffer> = new Uint8Array(FIRST_NODES);
  /** Nodes by a hash of parent and key; 0 is a free place. Never more than half full. */
  #slots: Uint32Array = new Uint32Array(4 * FIRST_NODES);
  readonly #nodesMax: number;

  constructor(nodesMax: number = NODES_MAX) {
    this.#nodesMax = nodesMax;
  }

  parentOf(node: number): number {
    return this.#parent[node] as number;
  }

  keyOf(node: number): number {
    return this.#key[node] as number;
  }

  setRoot(key: number, frame: number): void {
    this.#key[0] = key;
    this.#frame[0] = frame;
  }

  /** The child of a node with this key, made when there is none; NO_ROOM when it cannot be. */
  child(parent: number, key: number, frame: number): number {
    const mask = this.#slots.length - 1;
    let slot = hashOf(parent, key) & mask;
    for (;;) {
      const node = this.#slots[slot] as number;
      if (node === 0) return this.#append(parent, key, frame, slot);
      if (this.#parent[node] === parent && this.#key[node] === key) {
        if (frame < (this.#frame[node] as number)) this.#frame[node] = frame;
        return node;
      }
      slot = (slot + 1) & mask;
    }
  }

  add(node: number, after: number, before: number): void {
    this.#hasSample[node] = 1;
    this.#self[node] = (this.#self[node] as number) + after;
    this.#selfBefore[node] = (this.#selfBefore[node] as number) + before;
  }

  #append(parent: number, key: number, frame: number, slot: number): number {
    if (this.count >= this.#nodesMax) return NO_ROOM;
    const node = this.count++;
    if (node >= this.#parent.length) this.#grow();
    this.#parent[node] = parent;
    this.#key[node] = key;
    this.#frame[node] = frame;
    if (this.#slots.length < 2 * this.count) this.#rehash();
    else this.#slots[slot] = node;
    return node;
  }

  #grow(): void {
    this.#parent = twice(this.#parent, Uint32Array);
    this.#key = twice(this.#key, Uint32Array);
    this.#frame = twice(this.#frame, Uint32Array);
    this.#self = twice(this.#self, Float64Array);
    this.#selfBefore = twice(this.#selfBefore, Float64Array);
    this.#hasSample = twice(this.#hasSample, Uint8Array);
  }

  #rehash(): void {
    const slots = new Uint32Array(4 * this.#slots.length);
    const mask = slots.length - 1;
    for (let node = 1; node < this.count; node++) {
      let slot = hashOf(this.#parent[node] as number, this.#key[node] as number) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = node;
    }
    this.#slots = slots;
  }

  /** The tree in columns, its nodes in level order and children in the order of their keys. */
  columns(keys: FunctionKeys, hasBefore: boolean): FlameGraphColumns {
    const isUsed = this.#used();
    const { order, parent, firstChild, childCount } = this.#levelOrder(keys.count, isUsed);
    const count = order.length;
    const name = new Uint32Array(count);
    const file = new Uint32Array(count);
    const line = new Uint32Array(count);
    const kind = new Uint8Array(count);
    for (let at = 0; at < count; at++) {
      const node = order[at] as number;
      const key = this.#key[node] as number;
      name[at] = keys.name[key] as number;
      file[at] = keys.file[key] as number;
      const frame = this.#frame[node] as number;
      line[at] = keys.frames.line[frame] ?? 0;
      kind[at] = keys.frames.kind[frame] ?? 0;
    }
    const { names, files } = keys;
    const shape = { names, files, parent, firstChild, childCount, name, file, line, kind };
    const after = inOrder(this.#self, order, parent);
    if (!hasBefore) return { ...shape, ...after };
    return { ...shape, ...after, before: inOrder(this.#selfBefore, order, parent) };
  }

  /** Parent and key of each node in level order, and where each node went. */
  trie(keyCount: number): { parent: Uint32Array; key: Uint32Array; placeOf: Uint32Array } {
    const { order, parent } = this.#levelOrder(keyCount);
    const placeOf = new Uint32Array(this.count);
    for (let at = 0; at < order.length; at++) placeOf[order[at] as number] = at;
    return { parent, key: order.map((node) => this.#key[node] as number), placeOf };
  }

  /**
   * 1 for the root and each node that has a sample in or below it. Where stacks are collapsed,
   * frames on the way to a place are made that then lie on no way.
   */
  #used(): Uint8Array {
    const isUsed = this.#hasSample.slice(0, this.count);
    for (let node = this.count - 1; node > 0; node--) {
      if (isUsed[node] === 1) isUsed[this.#parent[node] as number] = 1;
    }
    isUsed[0] = 1;
    return isUsed;
  }

  #levelOrder(
    keyCount: number,
    isUsed?: Uint8Array,
  ): {
    order: Uint32Array;
    parent: Uint32Array;
    firstChild: Uint32Array;
    childCount: Uint32Array;
  } {
    const { count } = this;
    const head = new Uint32Array(count);
    const next = new Uint32Array(count);
    const byKey = sortedByKey(this.#key, count, keyCount);
    // Pushed to the front from the last key to the first, so that lists ascend.
    for (let at = count - 1; at >= 0; at--) {
      const node = byKey[at] as number;
      if (node === 0 || isUsed?.[node] === 0) continue;
      const parent = this.#parent[node] as number;
      next[node] = head[parent] as number;
      head[parent] = node;
    }
    const order = new Uint32Array(count);
    const parent = new Uint32Array(count);
    const firstChild = new Uint32Array(count);
    const childCount = new Uint32Array(count);
    let end = 1;
    for (let at = 0; at < end; at++) {
      firstChild[at] = end;
      for (let node = head[order[at] as number]; node; node = next[node]) {
        order[end] = node;
        parent[end++] = at;
      }
      childCount[at] = end - (firstChild[at] as number);
    }
    if (end === count) return { order, parent, firstChild, childCount };
    return {
      order: order.slice(0, end),
      parent: parent.slice(0, end),
      firstChild: firstChild.slice(0, end),
      childCount: childCount.slice(0, end),
    };
  }
}

function hashOf(parent: number, key: number): number {
  let hash = Math.imul(parent, 0x9e3779b1) ^ Math.imul(key, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return hash ^ (hash >>> 13);
}

/** Numbers below `count` by their keys: a counting sort. */
function sortedByKey(key: Uint32Array, count: number, keyCount: number): Uint32Array {
  const starts = new Uint32Array(keyCount + 1);
  for (let at = 0; at < count; at++) {
    const after = (key[at] as number) + 1;
    starts[after] = (starts[after] as number) + 1;
  }
  for (let at = 1; at <= keyCount; at++) {
    starts[at] = (starts[at] as number) + (starts[at - 1] as number);
  }
  const sorted = new Uint32Array(count);
  for (let at = 0; at < count; at++) {
    const place = starts[key[at] as number] as number;
    starts[key[at] as number] = place + 1;
    sorted[place] = at;
  }
  return sorted;
}

/** Own values in level order, and totals: callees stand behind their callers. */
function inOrder(
  values: Float64Array,
  order: Uint32Array,
  parent: Uint32Array,
): { self: Float64Array; total: Float64Array } {
  const self = new Float64Array(order.length);
  for (let at = 0; at < order.length; at++) self[at] = values[order[at] as number] as number;
  const total = self.slice();
  for (let at = order.length - 1; at > 0; at--) {
    const above = parent[at] as number;
    total[above] = (total[above] as number) + (total[at] as number);
  }
  return { self, total };
}

function twice<
  Data extends Uint8Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Float64Array<ArrayBuffer>,
>(data: Data, arrayType: new (length: number) => Data): Data {
  const larger = new arrayType(2 * data.length);
  larger.set(data);
  return larger;
}
