/** What a user has chosen: all of it is in the URL's hash, and nothing else is. */
export interface ViewState {
  /** Place of the shown profile among those that are open; "" for the usual one. */
  readonly file: string;
  /** Place of the one it is compared with; "" for the usual one, "-1" for none. */
  readonly before: string;
  /** Name of the sample type; "" for the profile's first. */
  readonly type: string;
  /** The zoomed node. */
  readonly zoom: number;
  /** The regular expression that is searched. */
  readonly q: string;
  /** Callees become roots: the tree is read from the leaves. */
  readonly invert: boolean;
  /** A function that calls itself, directly or not, is one frame. */
  readonly collapse: boolean;
  /** Frames that are taken out of their stacks; their callees move up. */
  readonly hide: readonly string[];
  /** Only stacks with one of these frames are shown. */
  readonly focus: readonly string[];
  /** Stacks with one of these frames are not shown. */
  readonly remove: readonly string[];
  /** Labels that a sample must have, as key=value. */
  readonly label: readonly string[];
  /** A label whose values are the first level below the root. */
  readonly root: string;
  /** The function whose callers and callees are shown; "" for the whole graph. */
  readonly sandwich: string;
  readonly colour: string;
  /** What is shown of graph and table: "graph", "both" or "table". */
  readonly show: string;
  /** The column that the table is sorted by, "-" before it turns the order; "" for the usual. */
  readonly sort: string;
  /** "light", "dark", or "" for what the system prefers. */
  readonly theme: string;
  /** How a difference is measured: "share", "rate" or "absolute". */
  readonly diff: string;
}

export const startState: ViewState = {
  file: "",
  before: "",
  type: "",
  zoom: 0,
  q: "",
  invert: false,
  collapse: false,
  hide: [],
  focus: [],
  remove: [],
  label: [],
  root: "",
  sandwich: "",
  colour: "",
  show: "graph",
  sort: "",
  theme: "",
  diff: "share",
};
