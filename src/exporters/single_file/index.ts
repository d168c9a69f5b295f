import type { ExporterDefinition } from "../../pipeline/component.ts";
import { type SingleFileConfig, singleFileConfig } from "./config.ts";
import { SingleFileExporter } from "./exporter.ts";

export const singleFile: ExporterDefinition<SingleFileConfig> = {
  kind: "exporter",
  type: "single_file",
  aliases: [],
  stability: "alpha",
  config: singleFileConfig,
  create: (config, context) => new SingleFileExporter(config, context),
};
