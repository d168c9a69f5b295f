import type { Metrics } from "../../support/metrics.ts";
import type { EbpfCounters } from "./counters.ts";
import { type StackResultName, sampleResult } from "./sample-record.ts";
import type { UnwinderCounters } from "./unwinding/unwinder-counters.ts";

/** The receiver's counters as series; samples are ticks of a CPU's clock. */
export function addEbpfMetrics(metrics: Metrics, counters: () => EbpfCounters): void {
  metrics.observedCounter(
    "obsforge_receiver_taken_samples",
    "Samples that the kernel took; taken = delivered + lost.",
    () => counters().taken,
  );
  metrics.observedCounter(
    "obsforge_receiver_delivered_samples",
    "Samples that reached the program.",
    () => counters().delivered,
  );
  metrics.observedCounter(
    "obsforge_receiver_lost_samples",
    "Samples that were taken and did not reach the program.",
    () => counters().lost,
    { reason: "ring_full" },
  );
  metrics.observedCounter(
    "obsforge_receiver_dropped_samples",
    "Samples of batches that the pipeline refused.",
    () => counters().dropped,
    { reason: "refused" },
  );
  metrics.observedCounter(
    "obsforge_receiver_lost_process_records",
    "Records of processes that the kernel dropped; each leads to a scan.",
    () => counters().processTable.lostRecords,
  );
  metrics.gauge(
    "obsforge_receiver_known_programs",
    "Programs whose mappings are kept.",
    () => counters().processTable.images,
  );
  metrics.gauge(
    "obsforge_receiver_frequency_hertz",
    "Samples a second on each CPU; below the configured one while the governor holds it down.",
    () => counters().frequencyHz,
  );
  metrics.gauge(
    "obsforge_bpf_map_bytes",
    "Kernel memory of all BPF maps, beside the program's own.",
    () => counters().bpfMapBytes,
  );
  metrics.gauge(
    "obsforge_side_band_bytes",
    "Kernel memory of the rings that tell of processes.",
    () => counters().sideBandBytes,
  );
  addStackMetrics(metrics, counters);
  addTableMetrics(metrics, () => counters().unwinding);
}

function addStackMetrics(metrics: Metrics, counters: () => EbpfCounters): void {
  for (const name of Object.keys(sampleResult) as StackResultName[]) {
    metrics.observedCounter(
      "obsforge_receiver_stacks",
      "Stacks that were taken, by how the walk of their user part ended.",
      () => counters().results[name],
      { result: snakeCase(name) },
    );
  }
}

function addTableMetrics(metrics: Metrics, counters: () => UnwinderCounters): void {
  metrics.gauge(
    "obsforge_unwind_table_bytes",
    "Kernel memory of unwind tables; part of obsforge_bpf_map_bytes.",
    () => counters().bytes,
  );
  metrics.gauge(
    "obsforge_unwind_tables",
    "Files whose unwind table is in the kernel.",
    () => counters().tables,
  );
  metrics.gauge(
    "obsforge_unwind_processes",
    "Processes whose mappings are in the kernel.",
    () => counters().processes,
  );
  const refusals = { file: "noRoom", process: "refusedProcesses", mapping: "refusedMappings" };
  for (const [what, counter] of Object.entries(refusals)) {
    metrics.observedCounter(
      "obsforge_unwind_refusals",
      "What is walked by frame pointers because there was no room.",
      () => counters()[counter as keyof UnwinderCounters],
      { of: what },
    );
  }
}

/** noFramePointer → no_frame_pointer */
function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
