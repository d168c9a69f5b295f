import type { ExporterDefinition } from "../../pipeline/component.ts";
import { type OtlpGrpcConfig, otlpGrpcConfig } from "./config.ts";

export const otlpGrpc: ExporterDefinition<OtlpGrpcConfig> = {
  kind: "exporter",
  type: "otlp_grpc",
  aliases: ["otlp"],
  stability: "alpha",
  config: otlpGrpcConfig,
  create: async (config, context) => {
    // Who does not send by gRPC does not pay for @grpc/grpc-js.
    const { OtlpGrpcExporter } = await import("./exporter.ts");
    return new OtlpGrpcExporter(config, context);
  },
};
