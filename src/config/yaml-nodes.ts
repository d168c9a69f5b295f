import { type Document, isAlias, isCollection, isMap, isScalar, type Node, type Pair } from "yaml";
import { configInvalid } from "./faults.ts";
import { CONFIG_BYTES_MAX, CONFIG_NESTING_MAX, CONFIG_VALUES_MAX } from "./limits.ts";
import type { ConfigNode, ListNode, MapNode, ScalarNode } from "./node.ts";
import type { Positions } from "./positions.ts";
import { readPlainScalar } from "./scalar.ts";

/** Keys that have a meaning for JavaScript's objects and none in a configuration [S16]. */
const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

/** The key that lays other maps under its own. */
const MERGE_KEY = "<<";

const CORE_TAG = "tag:yaml.org,2002:";

/** What each of YAML's own scalar tags asks of the value. */
const TAG_TYPES: Readonly<Record<string, string>> = {
  bool: "boolean",
  float: "number",
  int: "number",
  null: "object",
};

/** The nodes of a document without syntax errors; null for an empty one. */
export function nodeOfDocument(document: Document, positions: Positions): ConfigNode {
  const root = document.contents as Node | null;
  if (root === null) return { kind: "scalar", value: null, place: positions.root };
  return new NodeReader(positions).read(root, positions.root, 0);
}

class NodeReader {
  readonly #positions: Positions;
  /** The newest node of each name: an alias means the last anchor before it. */
  readonly #anchors = new Map<string, Node>();
  readonly #open = new Set<Node>();
  #values = 0;
  #characters = 0;

  constructor(positions: Positions) {
    this.#positions = positions;
  }

  read(node: Node, place: string, depth: number): ConfigNode {
    this.#count(node, depth);
    if (isAlias(node)) return this.#readAlias(node.source, node, { place, depth });
    if ("anchor" in node && node.anchor !== undefined) this.#anchors.set(node.anchor, node);
    if (isScalar(node)) return this.#readScalar(node, place);
    this.#open.add(node);
    const result = isMap(node)
      ? this.#readMap(node, place, depth)
      : this.#readList(node, place, depth);
    this.#open.delete(node);
    return result;
  }

  #readAlias(name: string, alias: Node, at: { place: string; depth: number }): ConfigNode {
    const target = this.#anchors.get(name);
    if (!target) throw this.#fault(alias, `no anchor &${name} stands before the alias *${name}`);
    if (this.#open.has(target)) {
      throw this.#fault(alias, `the alias *${name} stands inside its own anchor`);
    }
    return this.read(target, at.place, at.depth);
  }

  #readScalar(node: Node & { value: unknown; type?: string }, place: string): ScalarNode {
    const text = String(node.value ?? "");
    this.#characters += text.length;
    if (this.#characters > CONFIG_BYTES_MAX) {
      throw this.#fault(node, `aliases make the text longer than ${CONFIG_BYTES_MAX} characters`);
    }
    const isPlain = node.type === "PLAIN" || node.type === undefined;
    const type = this.#tagOf(node);
    if (type === "str" || (type === undefined && !isPlain)) {
      return { kind: "scalar", value: text, place };
    }
    const value = readPlainScalar(text);
    const wanted = TAG_TYPES[type ?? ""];
    if (type !== undefined && typeof value !== wanted) {
      throw this.#fault(node, `the value is not what its tag !!${type} says`);
    }
    const isText = typeof value === "string" || value === null;
    return { kind: "scalar", value, place, ...(!isText && { text }) };
  }

  #readList(node: Node, place: string, depth: number): ListNode {
    if (!isCollection(node)) throw this.#fault(node, "this is no value");
    this.#requireTag(node, "seq");
    const items = (node.items as Node[]).map((item) =>
      this.read(item, this.#positions.place(offsetOf(item)), depth + 1),
    );
    return { kind: "list", items, place };
  }

  #readMap(node: Node & { items: readonly Pair[] }, place: string, depth: number): MapNode {
    this.#requireTag(node, "map");
    const entries = new Map<string, ConfigNode>();
    const keyNodes = new Map<string, Node>();
    const laidUnder: ConfigNode[] = [];
    for (const pair of node.items) {
      const keyNode = pair.key as Node;
      const key = this.#readKey(keyNode);
      const value = this.#readPair(pair, depth);
      this.#requireNew(key, keyNode, keyNodes);
      if (isMergeKey(keyNode)) laidUnder.push(...this.#mapsOf(value, keyNode));
      else entries.set(key, value);
    }
    for (const under of laidUnder) this.#layUnder(entries, under as MapNode);
    return { kind: "map", entries, place };
  }

  #readPair(pair: Pair, depth: number): ConfigNode {
    const place = this.#positions.place(offsetOf(pair.key as Node));
    const value = pair.value as Node | null;
    if (value === null) return { kind: "scalar", value: null, place };
    return this.read(value, place, depth + 1);
  }

  #readKey(node: Node): string {
    if (!isScalar(node)) throw this.#fault(node, "a key must be text; put it in quotes");
    const key = String(node.value ?? "");
    if (key === "" && node.type === "PLAIN") throw this.#fault(node, "a key is missing");
    if (!FORBIDDEN_KEYS.has(key)) return key;
    throw this.#fault(node, `"${key}" is not allowed as a key`);
  }

  #requireNew(key: string, node: Node, seen: Map<string, Node>): void {
    const first = seen.get(key);
    if (first) {
      const line = this.#positions.line(offsetOf(first));
      const again = this.#positions.line(offsetOf(node));
      const where =
        line === again ? `twice on line ${line}` : `on line ${line} and on line ${again}`;
      throw this.#fault(node, `the key "${key}" stands ${where}; keep one`);
    }
    seen.set(key, node);
  }

  #mapsOf(value: ConfigNode, node: Node): readonly ConfigNode[] {
    const maps = value.kind === "list" ? value.items : [value];
    if (maps.every((map) => map.kind === "map")) return maps;
    throw this.#fault(node, `${MERGE_KEY} takes a map or a list of maps`);
  }

  #layUnder(entries: Map<string, ConfigNode>, under: MapNode): void {
    this.#values += under.entries.size;
    for (const [key, value] of under.entries) if (!entries.has(key)) entries.set(key, value);
  }

  #tagOf(node: Node): string | undefined {
    const tag = "tag" in node ? node.tag : undefined;
    if (typeof tag !== "string" || tag === "!") return tag === "!" ? "str" : undefined;
    const name = tag.startsWith(CORE_TAG) ? tag.slice(CORE_TAG.length) : "";
    if (name === "str" || name === "map" || name === "seq" || Object.hasOwn(TAG_TYPES, name)) {
      return name;
    }
    throw this.#fault(node, `the tag ${tag} is not supported; remove it`);
  }

  #requireTag(node: Node, expected: "map" | "seq"): void {
    const tag = this.#tagOf(node);
    if (tag === undefined || tag === expected) return;
    throw this.#fault(node, `a ${expected} cannot have the tag !!${tag}`);
  }

  #count(node: Node, depth: number): void {
    if (depth > CONFIG_NESTING_MAX) {
      throw this.#fault(node, `maps and lists are nested deeper than ${CONFIG_NESTING_MAX}`);
    }
    this.#values++;
    if (this.#values <= CONFIG_VALUES_MAX) return;
    throw this.#fault(node, `more than ${CONFIG_VALUES_MAX} keys and items, aliases expanded`);
  }

  #fault(node: Node, what: string): Error {
    return configInvalid(this.#positions.faultPlace(offsetOf(node)), what);
  }
}

function isMergeKey(node: Node): boolean {
  return isScalar(node) && node.value === MERGE_KEY && node.type === "PLAIN";
}

function offsetOf(node: Node): number {
  return node.range?.[0] ?? 0;
}
