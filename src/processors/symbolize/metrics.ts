import type { Metrics } from "../../support/metrics.ts";
import type { SymbolizeCounters } from "./processor.ts";

/** The processor's counters as series; a frame counts once for each sample that it stands in. */
export function addSymbolizeMetrics(
  metrics: Metrics,
  reasons: object,
  counters: () => SymbolizeCounters,
): void {
  metrics.observedCounter(
    "obsforge_processor_frames",
    "Frames that were to be named.",
    () => counters().frames,
  );
  for (const reason of Object.keys(reasons) as (keyof SymbolizeCounters["unnamedByReason"])[]) {
    metrics.observedCounter(
      "obsforge_processor_unnamed_frames",
      "Frames that have no name, by why.",
      () => counters().unnamedByReason[reason],
      { reason },
    );
  }
  metrics.observedCounter(
    "obsforge_processor_incomplete_samples",
    "Samples whose stack does not reach its thread's start.",
    () => counters().incompleteSamples,
  );
}
