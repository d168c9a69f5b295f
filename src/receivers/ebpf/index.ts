import type { ReceiverDefinition } from "../../pipeline/component.ts";
import { type EbpfConfig, ebpfConfig } from "./config.ts";
import { EbpfReceiver } from "./receiver.ts";

export const ebpf: ReceiverDefinition<EbpfConfig> = {
  kind: "receiver",
  type: "ebpf",
  // The name of OpenTelemetry's own eBPF receiver.
  aliases: ["profiling"],
  stability: "alpha",
  config: ebpfConfig,
  create: (config, context) => new EbpfReceiver(config, context),
};
