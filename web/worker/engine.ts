import type { FlameProfile } from "../../src/profiles/flamegraph/columns.ts";
import { scaleOfBefore } from "../../src/profiles/flamegraph/compare.ts";
import { buildTree, type TreeShape } from "../../src/profiles/flamegraph/tree.ts";
import type { FlameTree } from "../flamegraph/flame-graph.ts";
import { layoutOf } from "../flamegraph/layout.ts";
import { patternOf, type SearchResult, search } from "../flamegraph/search.ts";
import { weightsOf } from "../flamegraph/weights.ts";
import { foldedOf } from "./export-folded.ts";
import { pprofOf } from "./export-pprof.ts";
import { labelChoices, labelRules } from "./labels.ts";
import type { ProfileInfo, Questions, TreeRequest, Trees } from "./protocol.ts";
import { shownStacks } from "./shown-stacks.ts";
import { type TopTable, topTableOf } from "./top-table.ts";

type SandwichPart = "callees" | "callers";

/** Holds one profile, or two that are compared, and makes what the page shows of it. */
export class Engine {
  #profile: FlameProfile | undefined;
  #request: TreeRequest | undefined;
  #trees: Trees | undefined;

  /** Takes a profile, or two that were made one difference. */
  open(profile: FlameProfile): ProfileInfo {
    this.#profile = profile;
    this.#trees = undefined;
    return {
      title: profile.title,
      sampleTypes: profile.types.map(({ name, unit }) => ({ name, unit })),
      labels: labelChoices(profile),
      isDifference: profile.exposureBefore !== undefined,
    };
  }

  build(request: TreeRequest): Trees {
    this.#request = request;
    const tree = this.#tree(request, "callees");
    this.#trees =
      request.sandwich === "" ? { tree } : { tree, callers: this.#tree(request, "callers") };
    return this.#trees;
  }

  search(text: string): SearchResult {
    const pattern = patternOf(text);
    if ("wrong" in pattern) throw new Error(pattern.wrong);
    return search(this.#columns(), pattern);
  }

  /** The functions of the tree on screen, read from the roots also when it is inverted. */
  top(): TopTable {
    const request = this.#request;
    if (request === undefined) throw new Error("nothing is shown yet");
    if (!request.invert) return topTableOf(this.#columns());
    const { columns } = this.#tree({ ...request, invert: false }, "callees");
    return renamed(topTableOf(columns), columns.names, this.#columns().names);
  }

  /** What is below the zoomed frame, with the callers that lead to it. */
  async export({ format, zoom }: Questions["export"]["ask"]): Promise<Uint8Array> {
    const tree = this.#trees?.tree;
    if (tree === undefined) throw new Error("nothing is shown yet");
    const stacks = shownStacks(tree.columns, zoom, this.#request?.invert === true);
    if (format === "folded") return foldedOf(tree.columns, stacks);
    return await pprofOf(tree.columns, stacks, { name: tree.sampleType, unit: tree.unit });
  }

  #columns(): FlameTree["columns"] {
    if (this.#trees === undefined) throw new Error("nothing is shown yet");
    return this.#trees.tree.columns;
  }

  #tree(request: TreeRequest, part: SandwichPart): FlameTree {
    const profile = this.#profile;
    if (profile === undefined) throw new Error("nothing is open yet");
    const shape = shapeOf(request, profile, part);
    const { columns, whole, isCut } = buildTree(profile, shape);
    const { name = "", unit = "" } = profile.types[shape.type] ?? {};
    const tree = { columns, sampleType: name, unit, whole, isCut };
    if (columns.before === undefined) {
      return { ...tree, layout: layoutOf(columns, weightsOf(columns)) };
    }
    const beforeScale = scaleOf(request.diff, profile, columns);
    return { ...tree, beforeScale, layout: layoutOf(columns, weightsOf(columns, beforeScale)) };
  }
}

function shapeOf(
  request: TreeRequest,
  profile: FlameProfile,
  part: SandwichPart,
): TreeShape & { readonly type: number } {
  const type = profile.types.findIndex(({ name }) => name === request.type);
  return {
    type: Math.max(0, type),
    invert: request.invert,
    collapse: request.collapse,
    hide: anyOf(request.hide),
    focus: anyOf(request.focus),
    remove: anyOf(request.remove),
    ...labelRules(profile, request),
    sandwich: request.sandwich === "" ? undefined : { name: request.sandwich, part },
  };
}

/** Whether a name matches one of the patterns; upper and lower case are kept apart. */
function anyOf(patterns: readonly string[]): ((name: string) => boolean) | undefined {
  if (patterns.length === 0) return undefined;
  const compiled = patterns.flatMap((text) => {
    try {
      return [new RegExp(text, "u")];
    } catch {
      throw new Error(`no regular expression: ${text}`);
    }
  });
  return (name) => compiled.some((pattern) => pattern.test(name));
}

function scaleOf(diff: string, profile: FlameProfile, columns: FlameTree["columns"]): number {
  const scale = diff === "absolute" || diff === "rate" ? diff : "share";
  const before = columns.before?.total[0] ?? 0;
  return scaleOfBefore(scale, profile, { after: columns.total[0] ?? 0, before });
}

/** The table with the name indices of another tree of the same profile. */
function renamed(table: TopTable, from: readonly string[], to: readonly string[]): TopTable {
  const places = new Map(to.map((text, index) => [text, index]));
  return { ...table, name: table.name.map((index) => places.get(from[index] ?? "") ?? 0) };
}
