import { forward } from "./connectors/forward/index.ts";
import { debug } from "./exporters/debug/index.ts";
import { otlpGrpc } from "./exporters/otlp_grpc/index.ts";
import { otlpHttp } from "./exporters/otlp_http/index.ts";
import { pprof } from "./exporters/pprof/index.ts";
import { pyroscope } from "./exporters/pyroscope/index.ts";
import { singleFile } from "./exporters/single_file/index.ts";
import type { ComponentDefinition } from "./pipeline/component.ts";
import { symbolize } from "./processors/symbolize/index.ts";
import { ebpf } from "./receivers/ebpf/index.ts";
import { otlp } from "./receivers/otlp/index.ts";

/** Every component that a configuration may name, and nothing registers itself elsewhere. */
export const components: readonly ComponentDefinition[] = [
  ebpf,
  otlp,
  symbolize,
  otlpGrpc,
  otlpHttp,
  pprof,
  pyroscope,
  debug,
  singleFile,
  forward,
];
