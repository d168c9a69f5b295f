import type { ReceiverDefinition } from "../../pipeline/component.ts";
import { type OtlpConfig, otlpConfig } from "./config.ts";
import { OtlpReceiver } from "./receiver.ts";

export const otlp: ReceiverDefinition<OtlpConfig> = {
  kind: "receiver",
  type: "otlp",
  aliases: [],
  stability: "alpha",
  config: otlpConfig,
  create: (config, context) => new OtlpReceiver(config, context),
};
