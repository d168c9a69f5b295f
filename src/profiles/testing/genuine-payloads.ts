import { readFileSync } from "node:fs";

/** Messages that OpenTelemetry's eBPF profiler sent, with the name of each. For tests. */
export const genuinePayloads: readonly { readonly name: string; readonly bytes: Uint8Array }[] = [
  "otel-ebpf-profiler-cpp-99hz.otlp.pb",
  "otel-ebpf-profiler-mixed-runtimes.otlp.pb",
].map((name) => ({
  name,
  bytes: readFileSync(new URL(`../otlp/testdata/${name}`, import.meta.url)),
}));
