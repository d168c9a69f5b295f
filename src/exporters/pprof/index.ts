import type { ExporterDefinition } from "../../pipeline/component.ts";
import { type PprofConfig, pprofConfig } from "./config.ts";
import { PprofExporter } from "./exporter.ts";

export const pprof: ExporterDefinition<PprofConfig> = {
  kind: "exporter",
  type: "pprof",
  aliases: [],
  stability: "alpha",
  config: pprofConfig,
  create: (config, context) => new PprofExporter(config, context),
};
