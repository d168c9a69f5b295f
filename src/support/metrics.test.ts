import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MetricRegistry, type MetricSpelling } from "./metrics.ts";

describe("MetricRegistry", () => {
  it("writes families and series in order, as Prometheus reads them", () => {
    const registry = new MetricRegistry();
    const metrics = registry.metrics({ exporter: "pprof" });
    metrics.gauge("size_bytes", "How large.", () => 12.5);
    const sent = metrics.counter("sent", "How many.");
    metrics.counter("sent", "How many.", { reason: "late" }).add(1);
    sent.add(2);
    sent.add(3);
    assert.equal(
      registry.text(),
      `# HELP sent_total How many.
# TYPE sent_total counter
sent_total{exporter="pprof",reason="late"} 1
sent_total{exporter="pprof"} 5
# HELP size_bytes How large.
# TYPE size_bytes gauge
size_bytes{exporter="pprof"} 12.5
`,
    );
  });

  it("writes the Collector's names as its reader does, and as its options say", () => {
    const registry = new MetricRegistry();
    const metrics = registry.metrics();
    metrics.counter("obsforge_files", "Files.");
    metrics.counter("otelcol_exporter_sent_profile_samples", "Samples.");
    metrics.gauge("otelcol_process_memory_rss", "Memory.", () => 1);
    metrics.observedCounter("otelcol_process_uptime", "Time.", () => 1);
    const names = (spelling?: MetricSpelling): string[] =>
      Array.from(registry.text(spelling).matchAll(/^# TYPE (\S+)/gm), ([, name = ""]) => name);
    const usual = [
      "obsforge_files_total",
      "otelcol_exporter_sent_profile_samples",
      "otelcol_process_memory_rss",
      "otelcol_process_uptime",
    ];
    assert.deepEqual(names(), usual);
    assert.deepEqual(names({ without_type_suffix: true, without_units: true }), usual);
    assert.deepEqual(names({ without_type_suffix: false, without_units: false }), [
      "obsforge_files_total",
      "otelcol_exporter_sent_profile_samples_total",
      "otelcol_process_memory_rss_bytes",
      "otelcol_process_uptime_seconds_total",
    ]);
    assert.equal(registry.value("otelcol_process_uptime"), 1);
  });

  it("escapes what a label may hold [S18]", () => {
    const registry = new MetricRegistry();
    registry.metrics({ id: 'a"b\\c\nd' }).gauge("x", "With a \\ and\na line.", () => 1);
    assert.deepEqual(registry.text().trim().split("\n"), [
      "# HELP x With a \\\\ and\\na line.",
      "# TYPE x gauge",
      'x{id="a\\"b\\\\c\\nd"} 1',
    ]);
  });

  it("adds up what several components register under one name and labels", () => {
    const registry = new MetricRegistry();
    for (const value of [1, 2]) registry.metrics().gauge("x", "X.", () => value);
    for (const value of [10, 20]) registry.metrics().counter("y", "Y.").add(value);
    assert.equal(registry.value("x"), 3);
    assert.equal(registry.value("y_total"), 30);
  });

  it("leaves out a series that cannot be read, and answers the others", () => {
    const registry = new MetricRegistry();
    registry.metrics().gauge("a", "A.", () => 1);
    registry.metrics().gauge("b", "B.", () => {
      throw new Error("broken");
    });
    assert.match(registry.text(), /^a 1$/m);
    assert.doesNotMatch(registry.text(), /^b /m);
  });

  it("holds a bounded number of series", () => {
    const registry = new MetricRegistry();
    for (let id = 0; id < 10_010; id++) {
      registry.metrics().gauge("x", "X.", () => id, { id: String(id) });
    }
    assert.equal(registry.text().trim().split("\n").length, 2 + 10_000);
  });
});
