import type { ReceiverDefinition } from "../../pipeline/component.ts";
import type { EbpfConfig } from "./config.ts";
import { EbpfReceiver } from "./receiver.ts";

export const ebpf: ReceiverDefinition<EbpfConfig> = {
  type: "ebpf",
  // The name of OpenTelemetry's own eBPF receiver.
  aliases: ["profiling"],
  stability: "alpha",
  create: (config, context) => new EbpfReceiver(config, context),
};
