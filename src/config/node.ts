/** Plain data: what a configuration is once its YAML, merges and references are resolved. */
export type PlainValue = null | boolean | number | string | readonly PlainValue[] | PlainObject;

/** Has no prototype: a key can name nothing but what the configuration says [S16]. */
export interface PlainObject {
  readonly [key: string]: PlainValue;
}

/**
 * One value of a configuration that still knows where it was written. Nodes are never changed
 * once they are made, so that several trees may share them.
 */
export type ConfigNode = ScalarNode | ListNode | MapNode;

interface Placed {
  /** As messages print it: "agent.yaml:12", "--set processors.x". */
  readonly place: string;
  /** What the value was before it was read as YAML; see `originalText` in resolve.ts. */
  readonly text?: string;
}

export interface ScalarNode extends Placed {
  readonly kind: "scalar";
  readonly value: null | boolean | number | string;
}

export interface ListNode extends Placed {
  readonly kind: "list";
  readonly items: readonly ConfigNode[];
}

export interface MapNode extends Placed {
  readonly kind: "map";
  readonly entries: ReadonlyMap<string, ConfigNode>;
}

/** The value that `path` leads to, or else its nearest ancestor; `root` itself for an empty path. */
export function nearestNode(
  root: ConfigNode,
  path: readonly (string | number)[],
): { readonly node: ConfigNode; readonly isExact: boolean } {
  let node = root;
  for (const step of path) {
    const child = childOf(node, step);
    if (!child) return { node, isExact: false };
    node = child;
  }
  return { node, isExact: true };
}

function childOf(node: ConfigNode, step: string | number): ConfigNode | undefined {
  if (node.kind === "map") return node.entries.get(String(step));
  return node.kind === "list" ? node.items[Number(step)] : undefined;
}

/** The values alone, as fresh objects and arrays. */
export function plainValueOf(node: ConfigNode): PlainValue {
  if (node.kind === "scalar") return node.value;
  if (node.kind === "list") return node.items.map(plainValueOf);
  return plainObjectOf(node);
}

/** As `plainValueOf`, of a map. */
export function plainObjectOf(node: MapNode): PlainObject {
  const object: Record<string, PlainValue> = Object.create(null);
  for (const [key, value] of node.entries) object[key] = plainValueOf(value);
  return object;
}
