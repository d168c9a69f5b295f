import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { sleep } from "../../src/support/clock.ts";
import { buildProgram } from "../support/build-program.ts";
import {
  addBatch,
  addPprof,
  byFunction,
  type NamedStacks,
  noStacks,
  through,
} from "../support/named-stacks.ts";
import { type OtlpWay, type RunningCollector, startCollector } from "../support/otelcol.ts";
import { readExportRequest } from "../support/otlp-messages.ts";
import { readPprof } from "../support/pprof-message.ts";
import { type PushedProfile, startPushSink } from "../support/push-sink.ts";
import { requirement } from "../support/requirements.ts";
import { runCommand, startCommand, startObsforge } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const CPU_SECONDS = "6";
/** The program runs six windows, and the agent stops within a seventh. */
const WINDOWS_MIN = 6;
/** A lost window would be a sixth of the program. How exact sampling is, others test. */
const CPU_TIME_TOLERANCE = 0.05;
const STOP_MS_MAX = 2000;
const NANOS_PER_MS = 1_000_000n;
/** Samples are timed by a clock that the wall's is compared with now and then. */
const CLOCKS_DIFFER_NS_MAX: bigint = 5n * NANOS_PER_MS;
/** Start-up ends well within it. */
const READY_POLLS_MAX = 200;
const READY_POLL_MS = 100;

/** The frames of test/programs/three_paths.cpp that every one of its samples goes through. */
const SERVE = "shop::serve(unsigned long, shop::Spent&)";
const LEAVES = [
  "shop::checksum(unsigned long)",
  "shop::blend(unsigned long)",
  "shop::digits(unsigned long)",
];

type Way = "otlp_grpc" | "otlp_http" | "pprof" | "pyroscope";

interface Run {
  readonly ways: Readonly<Record<Way, NamedStacks>>;
  /** The program alone, as OTLP and Pyroscope tell it apart. */
  readonly program: Readonly<Record<"resource" | "service", NamedStacks>>;
  /** CPU time that the program was charged, as it says itself. */
  readonly programNanos: number;
  readonly stoppedUnixNano: bigint;
  /** From the signal to the agent's end. */
  readonly stopMs: number;
  readonly files: readonly string[];
  readonly pushed: readonly PushedProfile[];
  readonly log: string;
  readonly agentMetrics: string;
  readonly collectorMetrics: string;
}

function configurationOf(
  ports: { grpcPort: number; httpPort: number; metricsPort: number },
  { pyroscope, directory, timestamps }: Record<"pyroscope" | "directory", string> & RunOptions,
): string {
  return `
receivers:
  profiling:
    samples_per_second: 99
    reporter_interval: 1s
    reporter_jitter: 0
    cpu_limit: 0
    timestamps: ${timestamps}
processors:
  symbolize:
exporters:
  otlp_grpc: { endpoint: "127.0.0.1:${ports.grpcPort}", tls: { insecure: true } }
  otlp_http: { endpoint: "http://127.0.0.1:${ports.httpPort}" }
  pprof: { directory: ${JSON.stringify(directory)} }
  pyroscope: { endpoint: "${pyroscope}" }
service:
  telemetry:
    metrics:
      readers:
        - pull: { exporter: { prometheus: { host: 127.0.0.1, port: ${ports.metricsPort} } } }
  pipelines:
    profiles:
      receivers: [profiling]
      processors: [symbolize]
      exporters: [otlp_grpc, otlp_http, pprof, pyroscope]
`;
}

interface RunOptions {
  readonly timestamps: boolean;
}

/** The agent from before the program's start until its end, with a shell that outlives it. */
async function runOnce(folder: string, options: RunOptions): Promise<Run> {
  await using collector = await startCollector(folder);
  await using sink = await startPushSink();
  const { grpcPort, httpPort } = collector;
  const metricsPort = await freePort();
  const directory = join(folder, "profiles");
  const path = join(folder, "agent.yaml");
  const settings = { pyroscope: sink.endpoint, directory, ...options };
  writeFileSync(path, configurationOf({ grpcPort, httpPort, metricsPort }, settings));
  await using agent = await startObsforge(["run", "--config", path]);
  for (let poll = 0; poll < READY_POLLS_MAX && !/running/.test(agent.stderr()); poll++) {
    await sleep(READY_POLL_MS);
  }
  await using busy = await startCommand("sh", ["-c", "while :; do :; done"]);
  const program = await runCommand(buildProgram("three_paths.cpp"), [CPU_SECONDS]);
  assert.equal(program.code, 0, program.stderr);
  const agentMetrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  const stoppedUnixNano = BigInt(Date.now()) * NANOS_PER_MS;
  const stopStart = performance.now();
  agent.signal("SIGTERM");
  const { code, stderr } = await agent.ended;
  const stopMs = performance.now() - stopStart;
  assert.equal(code, 0, stderr);
  busy.signal("SIGKILL");
  const collectorMetrics = await collector.metrics();
  await collector.stop();
  const files = readdirSync(directory).map((name) => join(directory, name));
  const ofProgram = sink.accepted.filter(
    ({ labels }) => labels.get("service_name") === "three_paths",
  );
  return {
    ways: {
      otlp_grpc: stacksOfOtlp(collector, "grpc"),
      otlp_http: stacksOfOtlp(collector, "http"),
      pprof: stacksOf(files, (sums, file) => addPprof(sums, readPprof(readFileSync(file)))),
      pyroscope: stacksOf(sink.accepted, (sums, { profile }) => addPprof(sums, profile)),
    },
    program: {
      resource: stacksOfOtlp(collector, "grpc", 'process.executable.name="three_paths"'),
      service: stacksOf(ofProgram, (sums, { profile }) => addPprof(sums, profile)),
    },
    programNanos: (JSON.parse(program.stdout) as { cpuNanos: number }).cpuNanos,
    stoppedUnixNano,
    stopMs,
    files,
    pushed: sink.accepted,
    log: stderr,
    agentMetrics,
    collectorMetrics,
  };
}

/** @param resource  an attribute that the resources of the samples must have */
function stacksOfOtlp(collector: RunningCollector, way: OtlpWay, resource?: string): NamedStacks {
  return stacksOf(collector.messages(way), (sums, bytes) =>
    // ProfilesData has the fields of a request.
    addBatch(sums, readExportRequest(bytes), resource),
  );
}

function stacksOf<Item>(
  items: Iterable<Item>,
  addItem: (sums: NamedStacks, item: Item) => void,
): NamedStacks {
  const sums = noStacks();
  for (const item of items) addItem(sums, item);
  return sums;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** The series of one metric with its labels as Prometheus text has them. */
function seriesOf(metrics: string, name: string): Map<string, number> {
  const lines = metrics.matchAll(/^(\w+)(\{.*\})? (\S+)$/gm);
  return new Map(
    Array.from(lines)
      .filter(([, found]) => found === name)
      .map(([, , labels = "", value]) => [labels, Number(value)]),
  );
}

function typesOf(metrics: string): Map<string, string> {
  const lines = metrics.matchAll(/^# TYPE (\w+) (\w+)$/gm);
  return new Map(Array.from(lines, ([, name = "", type = ""]) => [name, type]));
}

const skip = requirement("root", "bpf", "otelcol");

for (const timestamps of [false, true]) {
  describe(`one pipeline to four exporters with timestamps: ${timestamps}`, { skip }, () => {
    const folder = temporaryFolder();
    let run: Run;
    before(async () => {
      run = await runOnce(folder.path, { timestamps });
    });
    after(() => folder[Symbol.dispose]());

    it("delivers equal sums by every way: of the host, of each function, of each stack", () => {
      const { otlp_grpc: first, ...others } = run.ways;
      assert.ok(first.ticks > 0 && run.files.length >= WINDOWS_MIN);
      for (const [way, stacks] of Object.entries(others)) {
        assert.equal(stacks.ticks, first.ticks, way);
        assert.equal(stacks.cpuNanos, first.cpuNanos, way);
        assert.deepEqual(byFunction(stacks), byFunction(first), way);
        assert.deepEqual(stacks.byStack, first.byStack, way);
      }
    });

    it("delivers the program's names by every way, and its whole CPU time", () => {
      for (const [way, stacks] of Object.entries(run.ways)) {
        for (const leaf of LEAVES) assert.ok(through(stacks, leaf) > 0, `${leaf} by ${way}`);
        const ratio = through(stacks, SERVE) / run.programNanos;
        assert.ok(Math.abs(ratio - 1) < CPU_TIME_TOLERANCE, `${ratio} by ${way}`);
      }
    });

    it("gives the program the same sum as a resource of OTLP and as a service of Pyroscope", () => {
      const { resource, service } = run.program;
      assert.ok(resource.ticks > 0);
      assert.equal(service.ticks, resource.ticks);
      assert.deepEqual(service.byStack, resource.byStack);
    });

    it("loses nothing, at the stop neither", () => {
      const written = [...run.log.matchAll(/profile written .* samples=(\d+) .* lost=(\d+) /g)];
      assert.equal(written.length, run.files.length);
      const sum = written.reduce((total, [, samples]) => total + Number(samples), 0);
      assert.equal(sum, run.ways.pprof.ticks);
      assert.ok(written.every(([, , lost]) => lost === "0"));
      assert.doesNotMatch(run.log, /WARN|ERROR/);
      assert.ok(run.stopMs < STOP_MS_MAX, `${run.stopMs} ms`);
      // A shell kept a CPU busy until then: what was sampled last has come.
      for (const [way, { untilUnixNano }] of Object.entries(run.ways)) {
        assert.ok(untilUnixNano >= run.stoppedUnixNano - CLOCKS_DIFFER_NS_MAX, way);
      }
      for (const { silentLosses } of run.pushed) assert.deepEqual(silentLosses, []);
    });

    it("is counted by the agent as by the Collector", () => {
      const { agentMetrics, collectorMetrics, ways } = run;
      const sent = seriesOf(agentMetrics, "otelcol_exporter_sent_profile_samples");
      assert.deepEqual(
        [...sent.keys()],
        Object.keys(ways).map((way) => `{exporter="${way}"}`),
      );
      const received = seriesOf(collectorMetrics, "otelcol_receiver_accepted_profile_samples");
      for (const way of ["grpc", "http"] as const) {
        const taken = received.get(`{receiver="otlp/${way}",transport="${way}"}`);
        assert.equal(taken, ways[`otlp_${way}`].rows);
        // A window was still under way when the agent was asked.
        const before = sent.get(`{exporter="otlp_${way}"}`) ?? 0;
        assert.ok(before > 0 && before <= ways[`otlp_${way}`].rows, `${before} of ${taken}`);
      }
      for (const what of ["send_failed", "enqueue_failed"]) {
        const failed = seriesOf(agentMetrics, `otelcol_exporter_${what}_profile_samples`);
        assert.deepEqual([...failed.values()], [0, 0, 0, 0], what);
      }
    });

    it("names its own metrics and their types as the Collector does", () => {
      const theirs = typesOf(run.collectorMetrics);
      const ours = typesOf(run.agentMetrics)
        .entries()
        .filter(([name]) => /^otelcol_/.test(name));
      for (const [name, type] of ours) {
        // The Collector has these from the first failure on.
        if (/_exporter_(send|enqueue)_failed_profile_samples$/.test(name)) continue;
        assert.equal(type, theirs.get(name), name);
      }
      const labelNames = (metrics: string): Set<string> =>
        new Set(
          seriesOf(metrics, "otelcol_exporter_in_flight_requests")
            .keys()
            .map((labels) => labels.replaceAll(/"[^"]*"/g, "")),
        );
      assert.deepEqual(labelNames(run.agentMetrics), labelNames(run.collectorMetrics));
    });

    it("is read by go tool pprof with the same sums", { skip: requirement("go") }, async () => {
      // It adds the files up.
      const flags = ["-top", "-cum", "-nodecount=100000", "-nodefraction=0", "-unit=ns"];
      const { code, stdout, stderr } = await runCommand("go", [
        "tool",
        "pprof",
        ...flags,
        ...run.files,
      ]);
      assert.equal(code, 0, stderr);
      const { cpuNanos } = run.ways.pprof;
      assert.match(stdout, new RegExp(`100% of ${cpuNanos}ns total`));
      const row = new RegExp(`(\\d+)ns +[\\d.]+% +${RegExp.escape(SERVE)}$`, "m").exec(stdout);
      assert.equal(Number(row?.[1]), through(run.ways.pprof, SERVE));
    });
  });
}
