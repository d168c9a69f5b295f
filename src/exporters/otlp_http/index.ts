import type { ExporterDefinition } from "../../pipeline/component.ts";
import { type OtlpHttpConfig, otlpHttpConfig } from "./config.ts";

export const otlpHttp: ExporterDefinition<OtlpHttpConfig> = {
  kind: "exporter",
  type: "otlp_http",
  aliases: ["otlphttp"],
  stability: "alpha",
  config: otlpHttpConfig,
  create: async (config, context) => {
    const { OtlpHttpExporter } = await import("./exporter.ts");
    return new OtlpHttpExporter(config, context);
  },
};
