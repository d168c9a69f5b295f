/**
 * What `import … from "observability-forge/flamegraph"` gives: the graph, and the way from a
 * profile's samples to a tree for it. The columns of a tree can also be written by hand.
 */
// biome-ignore-start lint/performance/noBarrelFile: the package's one entry for browsers.
export type {
  Exposure,
  FlameGraphColumns,
  FlameProfile,
  FlameSampleType,
  SampleColumns,
} from "../../src/profiles/flamegraph/columns.ts";
export { comparedProfiles, scaleOfBefore } from "../../src/profiles/flamegraph/compare.ts";
export {
  decodeFlameProfile,
  encodeFlameProfile,
} from "../../src/profiles/flamegraph/encoding.ts";
export { buildTree, type TreeShape } from "../../src/profiles/flamegraph/tree.ts";
export type { FrameDescription } from "./describe.ts";
export {
  FlameGraph,
  type FlameGraphEvents,
  type FlameGraphOptions,
  type FlameTree,
} from "./flame-graph.ts";
export type { ColourMode } from "./frame-colours.ts";
export { type Layout, layoutOf } from "./layout.ts";
export type { Theme } from "./palette.ts";
export { patternOf, type SearchResult, search } from "./search.ts";
export { weightsOf } from "./weights.ts";
// biome-ignore-end lint/performance/noBarrelFile: the package's one entry for browsers.
