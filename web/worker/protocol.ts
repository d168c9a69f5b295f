import type { FlameTree } from "../flamegraph/flame-graph.ts";
import type { SearchResult } from "../flamegraph/search.ts";
import type { TopTable } from "./top-table.ts";

/** What the page knows of an opened profile without its samples. */
export interface ProfileInfo {
  readonly title: string;
  readonly sampleTypes: readonly { readonly name: string; readonly unit: string }[];
  /** Labels of the samples, each with all its values. */
  readonly labels: readonly { readonly key: string; readonly values: readonly string[] }[];
  /** Whether two profiles are compared. */
  readonly isDifference: boolean;
}

/** Which tree of a profile to make. */
export interface TreeRequest {
  readonly type: string;
  readonly invert: boolean;
  readonly collapse: boolean;
  readonly hide: readonly string[];
  readonly focus: readonly string[];
  readonly remove: readonly string[];
  readonly label: readonly string[];
  readonly root: string;
  readonly diff: string;
  readonly sandwich: string;
}

/** The tree, and in a sandwich also the callers, which stand above it. */
export interface Trees {
  readonly tree: FlameTree;
  readonly callers?: FlameTree;
}

/** What the worker is asked, and what it answers. */
export interface Questions {
  readonly open: { ask: { files: Uint8Array[] }; answer: ProfileInfo };
  readonly build: { ask: TreeRequest; answer: Trees };
  readonly search: { ask: { text: string }; answer: SearchResult };
  readonly top: { ask: Record<string, never>; answer: TopTable };
  readonly export: { ask: { format: "folded" | "pprof"; zoom: number }; answer: Uint8Array };
}

export type QuestionName = keyof Questions;

export interface Question<Name extends QuestionName = QuestionName> {
  readonly id: number;
  readonly name: Name;
  readonly ask: Questions[Name]["ask"];
}

/** `wrong` is a sentence for the user. */
export interface Answer {
  readonly id: number;
  readonly answer?: unknown;
  readonly wrong?: string;
}
