import { batch, computed, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { FlameGraph, FlameTree } from "../flamegraph/flame-graph.ts";
import type { ColourMode } from "../flamegraph/frame-colours.ts";
import { afterPaint } from "../flamegraph/measures.ts";
import type { Theme } from "../flamegraph/palette.ts";
import { patternOf, type SearchResult } from "../flamegraph/search.ts";
import type { EngineClient } from "../worker/client.ts";
import type { ProfileInfo, TreeRequest, Trees } from "../worker/protocol.ts";
import type { TopTable } from "../worker/top-table.ts";
import { decodeFiles } from "./decode-files.ts";
import { hashOf, stateOf } from "./hash.ts";
import { reportReady } from "./report.ts";
import { startState, type ViewState } from "./view-state.ts";

/** What of the state decides which tree is shown. */
const treeKeys = [
  "type",
  "invert",
  "collapse",
  "hide",
  "focus",
  "remove",
  "label",
  "root",
  "sandwich",
  "diff",
] as const satisfies readonly (keyof TreeRequest)[];

/** What of the state decides which profiles are open. */
const sourceKeys = ["file", "before"] as const;

/** What no longer holds when other files are opened. */
const newFiles: Partial<ViewState> = { file: "", before: "", type: "", zoom: 0, sandwich: "" };

/** A profile that can be shown: bytes as the engine opens them. */
export interface Source {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What a search found, or why it could not. */
export type Found = { readonly result: SearchResult } | { readonly wrong: string } | undefined;

/**
 * What the page shows and what its parts do to it. Parts read the signals and call the methods;
 * none of them knows another.
 */
export class PageModel {
  readonly state: Signal<ViewState>;
  readonly info: Signal<ProfileInfo | undefined> = signal(undefined);
  /** Everything that was opened, to choose from. */
  readonly sources: Signal<readonly Source[]> = signal([]);
  readonly trees: Signal<Trees | undefined> = signal(undefined);
  readonly table: Signal<TopTable | undefined> = signal(undefined);
  readonly found: Signal<Found> = signal(undefined);
  /** Frames from the root to the zoomed one. */
  readonly path: Signal<readonly number[]> = signal([]);
  readonly selected: Signal<number> = signal(0);
  /** A sentence for the user about what has just happened; spoken, too. */
  readonly notice: Signal<string> = signal("");
  /** Why nothing is shown; "" when something is. */
  readonly problem: Signal<string> = signal("");
  readonly isBusy: Signal<boolean> = signal(false);
  readonly isHelpOpen: Signal<boolean> = signal(false);
  readonly theme: ReadonlySignal<Theme>;
  readonly colourBy: ReadonlySignal<ColourMode>;
  readonly #engine: EngineClient;
  readonly #prefersDark: Signal<boolean>;
  #graph: FlameGraph | undefined;
  #lastBuild = 0;
  #lastSearch = 0;
  #isFirst = true;

  constructor(engine: EngineClient, prefersDark: Signal<boolean>) {
    this.#engine = engine;
    this.#prefersDark = prefersDark;
    this.state = signal(stateOf(location.hash));
    this.theme = computed(() => {
      const { theme } = this.state.value;
      if (theme === "light" || theme === "dark") return theme;
      return this.#prefersDark.value ? "dark" : "light";
    });
    this.colourBy = computed(() => colourModeOf(this.state.value.colour, this.info.value));
  }

  get graph(): FlameGraph | undefined {
    return this.#graph;
  }

  /** The graph that is on the page; the part that shows it calls this. */
  attach(graph: FlameGraph | undefined): void {
    this.#graph = graph;
  }

  /** Opens what the page came with; nothing happens when that is nothing. */
  async openFirst(profiles: Promise<Source[]>): Promise<void> {
    await this.#whileBusy(async () => {
      const sources = await profiles;
      if (sources.length > 0) await this.#open(sources);
    });
  }

  /** Opens files of the user's. */
  async openFiles(files: readonly File[]): Promise<void> {
    await this.#whileBusy(async () => {
      const sources = await decodeFiles(files);
      this.state.value = { ...this.state.value, ...newFiles };
      await this.#open(sources);
    });
  }

  /** Changes what is chosen, and shows it. */
  async set(change: Partial<ViewState>, sinceMs: number = performance.now()): Promise<void> {
    const before = this.state.value;
    const needsTree = treeKeys.some((key) => key in change && change[key] !== before[key]);
    const reset = needsTree ? { zoom: 0 } : {};
    this.state.value = { ...before, ...reset, ...change };
    this.#writeHash();
    const other = sourceKeys.some((key) => key in change && change[key] !== before[key]);
    if (other) await this.#whileBusy(() => this.#open(this.sources.value));
    else if (needsTree) await this.#whileBusy(() => this.#build());
    else if (change.q !== undefined && change.q !== before.q) await this.#search(sinceMs);
    if (change.colour !== undefined) this.#graph?.setColourBy(this.colourBy.value);
  }

  /** Takes over the state of a hash that the user or a link has set. */
  async readHash(): Promise<void> {
    const state = stateOf(location.hash);
    if (hashOf(state) === hashOf(this.state.value)) return;
    const { zoom } = state;
    await this.set({ ...state, zoom: this.state.value.zoom });
    this.#graph?.zoom(zoom);
  }

  zoom(node: number, sinceMs: number): void {
    this.#graph?.zoom(node, sinceMs);
    this.#graph?.select(node);
  }

  /** The graph's own word that another frame is zoomed. */
  zoomed(node: number): void {
    this.path.value = this.#graph?.path(node) ?? [];
    this.state.value = { ...this.state.value, zoom: node };
    this.#writeHash();
  }

  /** Adds a pattern of exactly this frame's name to what is hidden, focused or removed. */
  async transform(kind: "hide" | "focus" | "remove", graph: FlameGraph): Promise<void> {
    const name = this.#functionName(graph);
    if (name === undefined) return;
    const pattern = `^${RegExp.escape(name)}$`;
    const patterns = this.state.value[kind];
    if (patterns.includes(pattern)) return;
    await this.set({ [kind]: [...patterns, pattern] });
  }

  /** Shows the callers and callees of the frame with the focus. */
  async sandwich(graph: FlameGraph): Promise<void> {
    const name = this.#functionName(graph);
    if (name !== undefined) await this.set({ sandwich: name });
  }

  /** The selected function; undefined for the root and for labels, which are none. */
  #functionName(graph: FlameGraph): string | undefined {
    const { root, sandwich } = this.state.value;
    const node = graph.selected;
    const isLabel = root !== "" && graph.path(node).length === 2;
    if (isLabel || (node === 0 && sandwich === "")) {
      this.notice.value = `${graph.selectedName} is no function: select one below it`;
      return undefined;
    }
    return graph.selectedName;
  }

  /** The name of the frame with the focus. */
  get selectedName(): string {
    const tree = this.trees.value?.tree;
    if (tree === undefined) return "";
    return tree.columns.names[tree.columns.name[this.selected.value] ?? 0] ?? "";
  }

  async exported(format: "folded" | "pprof"): Promise<Uint8Array> {
    return await this.#engine.ask("export", { format, zoom: this.state.value.zoom });
  }

  /** Gives the graph back what was chosen before, all but theme and page layout. */
  async reset(): Promise<void> {
    const { theme, show, sort, type, colour } = this.state.value;
    await this.set({ ...startState, theme, show, sort, type, colour });
  }

  /** Shows the chosen of the sources; of two that were just opened, the difference. */
  async #open(sources: readonly Source[]): Promise<void> {
    const { shown, before } = chosenOf(this.state.value, sources.length);
    const files = [before, shown].flatMap((at) => sources[at]?.bytes ?? []);
    const info = await this.#engine.ask("open", { files });
    batch(() => {
      this.sources.value = sources;
      this.info.value = info;
    });
    await this.#build();
  }

  async #build(): Promise<void> {
    const turn = ++this.#lastBuild;
    const trees = await this.#engine.ask("build", requestOf(this.state.value));
    if (turn !== this.#lastBuild) return;
    const zoom = this.#isFirst ? this.state.value.zoom : 0;
    this.#isFirst = false;
    this.#graph?.show(trees.tree, zoom);
    // What surrounds the graph follows when its first frame is painted.
    await painted();
    if (turn !== this.#lastBuild) return;
    batch(() => {
      this.problem.value = "";
      this.trees.value = trees;
      this.selected.value = zoom;
      this.found.value = undefined;
      this.zoomed(this.#graph?.zoomed ?? 0);
    });
    await painted();
    if (turn === this.#lastBuild && this.#graph !== undefined) reportReady(this.#graph);
    if (this.state.value.q !== "") await this.#search(performance.now());
    this.table.value = await this.#engine.ask("top", {});
  }

  async #search(sinceMs: number): Promise<void> {
    const turn = ++this.#lastSearch;
    const text = this.state.value.q;
    const pattern = text === "" ? undefined : patternOf(text);
    if (pattern === undefined || "wrong" in pattern) {
      this.found.value = pattern && { wrong: `No regular expression: ${pattern.wrong}` };
      this.#graph?.highlight(undefined, sinceMs);
      return;
    }
    try {
      const result = await this.#engine.ask("search", { text });
      if (turn !== this.#lastSearch) return;
      this.found.value = { result };
      this.#graph?.highlight(result.names, sinceMs);
    } catch (error) {
      if (turn === this.#lastSearch) this.found.value = { wrong: sentence(error) };
    }
  }

  async #whileBusy(work: () => Promise<void>): Promise<void> {
    this.isBusy.value = true;
    document.documentElement.dataset["state"] = "busy";
    try {
      await work();
    } catch (error) {
      this.problem.value = sentence(error);
    } finally {
      this.isBusy.value = false;
      // The graph says "ready" when its frame is painted.
      const { dataset } = document.documentElement;
      if (this.problem.value !== "") dataset["state"] = "failed";
      else if (this.trees.value === undefined) dataset["state"] = "empty";
    }
  }

  #writeHash(): void {
    const hash = hashOf(this.state.value);
    history.replaceState(null, "", `#${hash}`);
  }
}

/** Waits for the next painted frame; a page that is not seen paints none. */
async function painted(): Promise<void> {
  if (document.hidden) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  afterPaint(resolve);
  await promise;
}

/** The tree on screen. */
export function selectedTree(page: PageModel): FlameTree | undefined {
  return page.trees.value?.tree;
}

/** The chosen sources; -1 for none to compare with. */
export function chosenOf(
  { file, before }: ViewState,
  count: number,
): { shown: number; before: number } {
  if (file === "" && before === "" && count === 2) return { shown: 1, before: 0 };
  const at = (text: string, usual: number): number => {
    const index = text === "" ? usual : Number(text);
    return Number.isInteger(index) && index < count ? index : usual;
  };
  return { shown: at(file, 0), before: at(before, -1) };
}

function requestOf(state: ViewState): TreeRequest {
  return Object.fromEntries(treeKeys.map((key) => [key, state[key]])) as unknown as TreeRequest;
}

function colourModeOf(text: string, info: ProfileInfo | undefined): ColourMode {
  const usual = info?.isDifference ? "difference" : "package";
  switch (text) {
    case "package":
    case "file":
    case "type":
    case "value":
      return text;
    case "difference":
      return usual;
    default:
      return usual;
  }
}

function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
