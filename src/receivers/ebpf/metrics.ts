import type { Metrics } from "../../support/metrics.ts";
import type { EbpfCounters } from "./counters.ts";

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
}
