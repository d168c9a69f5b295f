import type { Metrics } from "../../support/metrics.ts";

/** What the program itself costs, under otelcol's names. */
export function addProcessMetrics(metrics: Metrics): void {
  metrics.observedCounter("otelcol_process_uptime", "Seconds since the start.", () =>
    process.uptime(),
  );
  metrics.observedCounter("otelcol_process_cpu_seconds", "CPU time, user and system.", () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  metrics.gauge("otelcol_process_memory_rss", "Resident memory in bytes.", () =>
    process.memoryUsage.rss(),
  );
  metrics.gauge(
    "otelcol_process_runtime_heap_alloc_bytes",
    "Bytes of the JavaScript heap in use.",
    () => process.memoryUsage().heapUsed,
  );
  metrics.gauge(
    "otelcol_process_runtime_total_sys_memory_bytes",
    "Bytes that the JavaScript heap has taken, and what it holds outside of it.",
    () => {
      const { heapTotal, external } = process.memoryUsage();
      return heapTotal + external;
    },
  );
}
