import type { ExporterDefinition } from "../../pipeline/component.ts";
import { type DebugConfig, debugConfig } from "./config.ts";
import { DebugExporter } from "./exporter.ts";

export const debug: ExporterDefinition<DebugConfig> = {
  kind: "exporter",
  type: "debug",
  aliases: [],
  stability: "alpha",
  config: debugConfig,
  create: (config, context) => new DebugExporter(config, context),
};
