/**
 * What a flame graph is made of and what it is: a profile as columns of samples, from which the
 * page makes any view itself, and one view as columns of nodes. No objects stand for frames, so
 * that a million of them cost a few arrays. Everything here runs in Node and in a browser.
 */

/** What kind of code a frame is, by the number in the `kind` columns. */
export const FRAME_KINDS = ["", "native", "kernel", "jit", "inlined"] as const;

export const KIND_UNKNOWN = 0;
export const KIND_NATIVE = 1;
export const KIND_KERNEL = 2;
/** Code that a runtime makes or interprets: JavaScript, Java, Python. */
export const KIND_JIT = 3;
/** A function inlined into the frame below it, whatever kind that is. */
export const KIND_INLINED = 4;

/**
 * A tree of frames. Nodes are level-ordered: the root is node 0, the nodes of a level follow
 * those of the level above, and the children of a node are neighbours, sorted by name, then file
 * (by UTF-16 code units). `parent[0]` is 0.
 */
export interface FlameGraphColumns {
  readonly names: readonly string[];
  readonly files: readonly string[];
  readonly parent: Uint32Array;
  /** Unused where `childCount` is 0. */
  readonly firstChild: Uint32Array;
  readonly childCount: Uint32Array;
  /** Index in `names`. */
  readonly name: Uint32Array;
  /** Index in `files`, whose entry 0 is "": not known. */
  readonly file: Uint32Array;
  /** The first line of the function that was seen, 0 when none was. */
  readonly line: Uint32Array;
  /** Index in FRAME_KINDS. */
  readonly kind: Uint8Array;
  /** The value of samples that end in the node. */
  readonly self: Float64Array;
  /** `self` and that of everything below. */
  readonly total: Float64Array;
  /** The values of the profile before, in a difference. A vanished node has 0 in `total`. */
  readonly before?: { readonly self: Float64Array; readonly total: Float64Array };
}

/** Samples of one type: rows of equal stack and labels are summed. */
export interface SampleColumns {
  readonly stack: Uint32Array;
  readonly labelSet: Uint32Array;
  readonly value: Float64Array;
}

/** One of a profile's sample types with its samples. */
export interface FlameSampleType {
  /** As cpu. */
  readonly name: string;
  /** As nanoseconds. */
  readonly unit: string;
  readonly samples: SampleColumns;
  /** The samples of the profile before, in a difference. */
  readonly before?: SampleColumns;
}

/** How long, and on how many instances, a profile was taken; for comparing rates. */
export interface Exposure {
  /** Nanoseconds, summed over all instances; 0 when the profile does not say. */
  readonly nanos: number;
  /** Hosts or service instances that the profile is of, 1 when it does not say. */
  readonly instances: number;
}

/**
 * A profile as a page needs it: samples over a trie of stacks, with names apart. Tables that are
 * sorted are sorted by UTF-16 code units, so that an index is also a rank.
 */
export interface FlameProfile {
  readonly title: string;
  readonly exposure: Exposure;
  /** In a difference, the exposure of the profile before. */
  readonly exposureBefore?: Exposure;
  /** Function names, sorted, each once. */
  readonly names: readonly string[];
  /** Source files, sorted, each once; entry 0 is "". */
  readonly files: readonly string[];
  /** Frames, sorted by name, then file. */
  readonly frames: {
    readonly name: Uint32Array;
    readonly file: Uint32Array;
    readonly line: Uint32Array;
    readonly kind: Uint8Array;
  };
  /**
   * Stacks as a trie: each is its caller's stack and one frame more. Stack 0 is the empty one,
   * whose entries mean nothing; the parent of any other has a smaller index.
   */
  readonly stacks: { readonly parent: Uint32Array; readonly frame: Uint32Array };
  /** Keys and values of labels, as indices into `texts`. */
  readonly labels: {
    readonly texts: readonly string[];
    readonly key: Uint32Array;
    readonly value: Uint32Array;
  };
  /** Lists of labels: set `i` is `items` from `ends[i - 1]` (0 for the first) to `ends[i]`. */
  readonly labelSets: { readonly ends: Uint32Array; readonly items: Uint32Array };
  /** Never none; the first is what a reader wants to see first. */
  readonly types: readonly FlameSampleType[];
}

/**
 * Type of the elements of an HTML file that hold profiles: base64 of the deflate-raw of what
 * `encodeFlameProfile` wrote. One is shown; of two the first is before and the second after.
 * A browser does not run such a script element.
 */
export const EMBEDDED_PROFILE_TYPE = "application/x-obsforge-profile";

/**
 * Where a served page finds its profiles: a JSON list of URLs below this one, each of which
 * answers with deflate-raw bytes as in a file. Absent (404) or empty: the page opens empty.
 */
export const SERVED_PROFILES_PATH = "profiles";
