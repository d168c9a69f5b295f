import type { ExporterDefinition } from "../../pipeline/component.ts";
import { type PyroscopeConfig, pyroscopeConfig } from "./config.ts";
import { PyroscopeExporter } from "./exporter.ts";

export const pyroscope: ExporterDefinition<PyroscopeConfig> = {
  kind: "exporter",
  type: "pyroscope",
  aliases: [],
  stability: "alpha",
  config: pyroscopeConfig,
  create: (config, context) => new PyroscopeExporter(config, context),
};
