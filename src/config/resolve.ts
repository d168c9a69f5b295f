import type { ConfigEnvironment } from "./environment.ts";
import { Expander } from "./expand.ts";
import { configInvalid } from "./faults.ts";
import { mergeMaps, unflattened } from "./merge.ts";
import { type MapNode, nearestNode, type PlainObject, plainObjectOf } from "./node.ts";
import { locationLabel, retrieve, sourceLocation } from "./retrieve.ts";
import { readSetOption } from "./set-option.ts";
import { readYaml } from "./yaml.ts";

/** What the command line says of the configuration, each list in its order. */
export interface ConfigSources {
  /** Each `--config`: a path, or `file:`, `env:`, `yaml:`, `http:`, `https:`. */
  readonly configs: readonly string[];
  /** Each `--set`: "processors.batch.timeout=2s". */
  readonly sets: readonly string[];
}

/** One plain value, and for every key where it was written. */
export interface ResolvedConfig {
  readonly value: PlainObject;
  /** "agent.yaml:12" for the value that `path` leads to, or for its nearest known ancestor. */
  where(path: readonly (string | number)[]): string;
  /**
   * What was written where text is expected but YAML saw something else (a number, true, the
   * null of an unset variable). Undefined for what has no text: a written null, a map, no value.
   */
  originalText(path: readonly (string | number)[]): string | undefined;
}

/**
 * Reads, merges and expands the configuration: every source is laid on those before it, `--set`
 * last; then `${…}` is replaced. Rejects with CONFIG_INVALID; the message says where.
 */
export async function resolveConfig(
  sources: ConfigSources,
  environment: ConfigEnvironment,
): Promise<ResolvedConfig> {
  let merged: MapNode | undefined;
  for (const uri of sources.configs) {
    const map = await loadSource(uri, environment);
    merged = merged ? mergeMaps(merged, map) : map;
  }
  if (!merged) throw configInvalid("--config", "none is given; name the configuration's file");
  for (const option of sources.sets) merged = mergeMaps(merged, readSetOption(option));
  return new Resolved((await new Expander(environment).expand(merged)) as MapNode);
}

async function loadSource(uri: string, environment: ConfigEnvironment): Promise<MapNode> {
  const location = sourceLocation(uri);
  const label = locationLabel(location);
  const text = await retrieve(location, environment, label);
  if (text === undefined) throw configInvalid(label, "the variable is not set; put the YAML in it");
  const yaml = readYaml(text, { label });
  if ("fault" in yaml) throw yaml.fault;
  const { node } = yaml;
  if (node.kind === "map") return unflattened(node);
  if (node.kind === "scalar" && node.value === null) {
    return { kind: "map", place: label, entries: new Map() };
  }
  const found = node.kind === "list" ? "a list" : "a single value";
  throw configInvalid(label, `must be a map of sections (receivers:, service: …), not ${found}`);
}

class Resolved implements ResolvedConfig {
  readonly value: PlainObject;
  readonly #root: MapNode;

  constructor(root: MapNode) {
    this.#root = root;
    this.value = plainObjectOf(root);
  }

  where(path: readonly (string | number)[]): string {
    return nearestNode(this.#root, path).node.place;
  }

  originalText(path: readonly (string | number)[]): string | undefined {
    const { node, isExact } = nearestNode(this.#root, path);
    if (!isExact) return undefined;
    if (node.kind === "scalar" && typeof node.value === "string") return node.value;
    return node.text;
  }
}
