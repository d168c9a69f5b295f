import { isCollectorError } from "../support/errors.ts";
import type { ConfigEnvironment } from "./environment.ts";
import { configInvalid } from "./faults.ts";
import {
  CONFIG_BYTES_MAX,
  CONFIG_EXPANSIONS_MAX,
  CONFIG_NESTING_MAX,
  CONFIG_VALUES_MAX,
} from "./limits.ts";
import type { ConfigNode, ScalarNode } from "./node.ts";
import { type Part, parseReferences } from "./references.ts";
import { type Location, locationLabel, referenceLocation, retrieve } from "./retrieve.ts";
import { readYaml } from "./yaml.ts";

/** What one value of the configuration has led to so far. */
interface Journey {
  /** Of the value that asked first. */
  readonly place: string;
  /** The references that led here, outermost first. */
  readonly chain: readonly Location[];
  readonly budget: { expansionsLeft: number };
}

/**
 * Puts in the place of every `${…}` what it stands for. All that an expansion brings has the
 * place of the value that asked for it. Keys are not expanded.
 */
export class Expander {
  readonly #environment: ConfigEnvironment;
  readonly #warned = new Set<string>();
  #values = 0;

  constructor(environment: ConfigEnvironment) {
    this.#environment = environment;
  }

  /** A new tree; the given one is not changed. Rejects with CONFIG_INVALID. */
  expand(root: ConfigNode): Promise<ConfigNode> {
    return this.#expandNode(root, 0, undefined);
  }

  async #expandNode(
    node: ConfigNode,
    depth: number,
    journey: Journey | undefined,
  ): Promise<ConfigNode> {
    this.#count(node, depth);
    if (node.kind === "scalar") return this.#expandScalar(node, depth, journey);
    if (node.kind === "list") {
      const items: ConfigNode[] = [];
      for (const item of node.items) items.push(await this.#expandNode(item, depth + 1, journey));
      return { ...node, items };
    }
    const entries = new Map<string, ConfigNode>();
    for (const [key, value] of node.entries) {
      entries.set(key, await this.#expandNode(value, depth + 1, journey));
    }
    return { ...node, entries };
  }

  #count({ place }: ConfigNode, depth: number): void {
    if (depth > CONFIG_NESTING_MAX) {
      throw configInvalid(place, `maps and lists are nested deeper than ${CONFIG_NESTING_MAX}`);
    }
    this.#values++;
    if (this.#values <= CONFIG_VALUES_MAX) return;
    throw configInvalid(
      place,
      `more than ${CONFIG_VALUES_MAX} keys and items, all sources together`,
    );
  }

  async #expandScalar(
    node: ScalarNode,
    depth: number,
    journey: Journey = {
      place: node.place,
      chain: [],
      budget: { expansionsLeft: CONFIG_EXPANSIONS_MAX },
    },
  ): Promise<ConfigNode> {
    const { value } = node;
    if (typeof value !== "string" || !value.includes("$")) return node;
    const parts = parseReferences(value, journey.place);
    const [first] = parts;
    if (parts.length === 1 && first?.kind === "reference") {
      return this.#expandWhole(first.parts, depth, journey);
    }
    return { ...node, value: await this.#textOf(parts, journey) };
  }

  /** A reference that is the whole value: what it stands for is read as YAML. */
  async #expandWhole(parts: readonly Part[], depth: number, journey: Journey): Promise<ConfigNode> {
    const { text, location, inner } = await this.#follow(parts, journey);
    const { place } = journey;
    if (text === undefined) return { kind: "scalar", value: null, place, text: "" };
    const verbatim: ScalarNode = { kind: "scalar", value: text, place };
    // An empty default asks for an empty text, not for nothing.
    if (location.scheme === "env" && location.rest.endsWith(":-") && text === "") return verbatim;
    const yaml = yamlOf(text, location, place);
    if ("fault" in yaml) {
      this.#warnNoYaml(location, verbatim, yaml.fault);
      return this.#expandScalar(verbatim, depth, inner);
    }
    const { node } = yaml;
    if (node.kind !== "scalar") {
      const expanded = await this.#expandNode(node, depth, inner);
      return { ...expanded, text: await this.#textOf(parseReferences(text, place), inner) };
    }
    if (typeof node.value === "string") return this.#expandScalar(verbatim, depth, inner);
    return { ...node, text };
  }

  /** The parts as one text. */
  async #textOf(parts: readonly Part[], journey: Journey): Promise<string> {
    let text = "";
    for (const part of parts) {
      if (part.kind === "reference") text += await this.#referenceText(part.parts, journey);
      else text += part.kind === "text" ? part.text : "$";
      this.#requireLength(text, journey);
    }
    return text;
  }

  async #referenceText(parts: readonly Part[], journey: Journey): Promise<string> {
    const { text = "", inner } = await this.#follow(parts, journey);
    return this.#textOf(parseReferences(text, journey.place), inner);
  }

  #requireLength(text: string, { place }: Journey): void {
    if (text.length <= CONFIG_BYTES_MAX) return;
    throw configInvalid(place, `references make a text of over ${CONFIG_BYTES_MAX} characters`);
  }

  /** Gets what a reference stands for, as it is, and the journey on which that is expanded. */
  async #follow(
    parts: readonly Part[],
    journey: Journey,
  ): Promise<{ text: string | undefined; location: Location; inner: Journey }> {
    const { place, budget } = journey;
    if (budget.expansionsLeft === 0) {
      throw configInvalid(place, `leads to over ${CONFIG_EXPANSIONS_MAX} references`);
    }
    budget.expansionsLeft--;
    const location = referenceLocation(await this.#uriOf(parts, journey), place);
    const chain = [...journey.chain, location];
    this.#requireNoCycle(chain, place);
    const asking = `${place}: ${locationLabel(location)}`;
    const text = await retrieve(location, this.#environment, asking);
    if (text === undefined) this.#warnUnset(location, place);
    return { text, location, inner: { ...journey, chain } };
  }

  async #uriOf(parts: readonly Part[], journey: Journey): Promise<string> {
    const uri = parts.some((part) => part.kind === "escape")
      ? "$"
      : await this.#textOf(parts, journey);
    if (!uri.includes("$")) return uri;
    throw configInvalid(
      journey.place,
      "a $ alone cannot stand inside a reference; only another reference can",
    );
  }

  #requireNoCycle(chain: readonly Location[], place: string): void {
    const last = chain.at(-1) as Location;
    const start = chain.findIndex(
      ({ scheme, rest }) => scheme === last.scheme && rest === last.rest,
    );
    if (start === chain.length - 1) {
      if (chain.length <= CONFIG_NESTING_MAX) return;
      throw configInvalid(place, `references are nested deeper than ${CONFIG_NESTING_MAX}`);
    }
    const circle = chain.slice(start).map(locationLabel).join(" -> ");
    throw configInvalid(place, `references go in a circle: ${circle}`);
  }

  /** A variable or a one-line file is often mere text; of a longer file it is rarely meant. */
  #warnNoYaml({ scheme }: Location, { value }: ScalarNode, fault: Error): void {
    if (scheme === "env" || scheme === "yaml" || !String(value).includes("\n")) return;
    this.#environment.warn(`${fault.message} (taken as text, because it is no YAML)`);
  }

  #warnUnset(location: Location, place: string): void {
    const label = locationLabel(location);
    if (this.#warned.has(label)) return;
    this.#warned.add(label);
    const name = location.rest;
    this.#environment.warn(
      `${place}: the variable ${name} is not set; set it, or write \${env:${name}:-default}`,
    );
  }
}

/**
 * A variable may hold anything, a password above all: what is no YAML, or YAML that no
 * configuration may hold, is text.
 */
function yamlOf(text: string, location: Location, askedFrom: string): ReturnType<typeof readYaml> {
  try {
    return readYaml(text, { label: locationLabel(location), askedFrom });
  } catch (error) {
    if (location.scheme === "env" && isCollectorError(error)) return { fault: error };
    throw error;
  }
}
