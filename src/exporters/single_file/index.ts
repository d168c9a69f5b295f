import type { ExporterDefinition } from "../../pipeline/component.ts";
import type { SingleFileConfig } from "./config.ts";
import { SingleFileExporter } from "./exporter.ts";

export const singleFile: ExporterDefinition<SingleFileConfig> = {
  type: "single_file",
  aliases: [],
  stability: "alpha",
  create: (config, context) => new SingleFileExporter(config, context),
};
