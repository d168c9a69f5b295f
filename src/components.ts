import { forward } from "./connectors/forward/index.ts";
import { pprof } from "./exporters/pprof/index.ts";
import { singleFile } from "./exporters/single_file/index.ts";
import type { ComponentDefinition } from "./pipeline/component.ts";
import { symbolize } from "./processors/symbolize/index.ts";
import { ebpf } from "./receivers/ebpf/index.ts";

/** Every component that a configuration may name, and nothing registers itself elsewhere. */
export const components: readonly ComponentDefinition[] = [
  ebpf,
  symbolize,
  pprof,
  singleFile,
  forward,
];
