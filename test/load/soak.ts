import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { join } from "node:path";
import { sleep } from "../../src/support/clock.ts";
import { type CommandResult, type RunningCommand, startObsforge } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { type AgentState, agentState, metricSum } from "./agent-state.ts";
import { startHostChurn } from "./host-churn.ts";
import { type Received, type SinkName, Sinks, sinkNames } from "./sinks.ts";

export interface SoakOptions {
  readonly churnMs: number;
  /** How long sinks fail, and how long they work in between. */
  readonly faultMs: number;
  readonly restMs: number;
  /** Called with each state as it is taken. */
  readonly onState?: (state: AgentState) => void;
}

/** All that was seen of one run. */
export interface SoakRun {
  /** Before the churn and after it, with nothing on its way. */
  readonly quietBefore: AgentState;
  readonly quietAfter: AgentState;
  readonly states: readonly AgentState[];
  readonly samples: SampleCounts;
  readonly exporters: ReadonlyMap<ExporterName, ExporterCounts>;
  readonly received: Readonly<Record<SinkName, Received>>;
  readonly files: FileCounts;
  readonly newFiles: number;
  readonly mapBytes: number;
  readonly knownPrograms: number;
  readonly cpuSeconds: number;
  readonly stopMs: number;
  readonly end: CommandResult;
  readonly log: readonly LogRecord[];
}

/** By the receiver; `accepted` is in rows, as the exporters count. */
export interface SampleCounts {
  readonly taken: number;
  readonly delivered: number;
  readonly lost: number;
  readonly dropped: number;
  readonly accepted: number;
}

export interface ExporterCounts {
  readonly sent: number;
  readonly sendFailed: number;
  readonly enqueueFailed: number;
  readonly inFlight: number;
}

export interface FileCounts {
  readonly written: number;
  readonly removed: number;
  readonly folderBytes: number;
}

export type LogRecord = Readonly<Record<string, unknown>>;

export const exporterNames = ["pprof", ...sinkNames] as const;
export type ExporterName = (typeof exporterNames)[number];

/** A report a second in place of one in five to ten: an hour's reports in ten minutes. */
const REPORTS = "1s";
const STATE_INTERVAL_MS = 3000;
/** The start-up's garbage is collected by then. */
const WARM_UP_MS = 6000;
const FIRST_START_MS = 2500;
const START_MS_MAX = 15_000;
/** Longer than any timeout of an exporter: by then everything was sent or has failed. */
const SETTLED_MS_MAX = 30_000;
const SETTLED_POLL_MS = 140;
/** A program that ended is known for ten seconds more. */
const FORGOTTEN_MS = 12_000;

/** Runs the agent under churn and sinks that fail, and gives what was seen. Judges nothing. */
export async function soak(options: SoakOptions): Promise<SoakRun> {
  using folder = temporaryFolder();
  await using sinks = await Sinks.start();
  const port = await freePort();
  const config = folder.file("agent.yaml");
  const log = folder.file("agent.log");
  writeFileSync(config, configuration(sinks, port, folder.path));
  const timeoutMs = options.churnMs + 10 * 60_000;
  await startOnce(config, folder.path);
  sinks.forget();
  await using agent = await startObsforge(["run", "--config", config], {
    cwd: folder.path,
    timeoutMs,
  });
  await untilRunning(log, agent, 2);
  const scrape = new Scrape(`http://127.0.0.1:${port}/metrics`, sinks);
  await sleep(WARM_UP_MS);
  await scrape.settled();
  const quietBefore = agentState(agent.pid);
  const { states, newFiles } = await underChurn(agent, sinks, folder.path, options);
  await sleep(FORGOTTEN_MS);
  const metrics = await scrape.settled();
  const quietAfter = agentState(agent.pid);
  const start = performance.now();
  agent.signal("SIGTERM");
  const end = await agent.ended;
  return {
    ...countsOf(metrics),
    quietBefore,
    quietAfter,
    states,
    received: sinks.received,
    newFiles,
    stopMs: performance.now() - start,
    end,
    log: logRecords(log),
  };
}

async function underChurn(
  agent: RunningCommand,
  sinks: Sinks,
  folder: string,
  options: SoakOptions,
): Promise<{ states: AgentState[]; newFiles: number }> {
  const stop = new AbortController();
  const states: AgentState[] = [];
  await using churn = startHostChurn(folder);
  const misbehaviour = sinks.misbehave(options.faultMs, options.restMs, stop.signal);
  try {
    const endMs = performance.now() + options.churnMs;
    while (performance.now() < endMs) {
      await sleep(STATE_INTERVAL_MS);
      sinks.count();
      const state = agentState(agent.pid);
      states.push(state);
      options.onState?.(state);
    }
  } finally {
    stop.abort();
    await misbehaviour;
  }
  return { states, newFiles: churn.newFiles };
}

function configuration(sinks: Sinks, port: number, folder: string): string {
  return `
receivers:
  profiling:
    samples_per_second: 99
    reporter_interval: ${REPORTS}
    # Churn is what is measured here, and not a governor's answer to it.
    cpu_limit: 0
processors:
  symbolize:
exporters:
  pprof:
    directory: "${folder}/profiles"
    file_name: "{sequence}.pb.gz"
    max_megabytes: 1
    max_age: 30s
  pyroscope: { endpoint: "${sinks.pyroscope.endpoint}", timeout: 2s }
  otlp_http: { endpoint: "${sinks.otlpHttp.endpoint}", timeout: 15s }
  otlp_grpc: { endpoint: "${sinks.otlpGrpc.endpoint}", timeout: 2s, tls: { insecure: true } }
service:
  telemetry:
    logs: { encoding: json, output_paths: ["${folder}/agent.log"] }
    metrics:
      readers: [{ pull: { exporter: { prometheus: { host: 127.0.0.1, port: ${port} } } } }]
  pipelines:
    profiles:
      receivers: [profiling]
      processors: [symbolize]
      exporters: [pprof, pyroscope, otlp_http, otlp_grpc]
`;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  await once(server.close(), "close");
  return port;
}

/** Leaves compiled code behind, as every start but the first after an update has it. */
async function startOnce(config: string, cwd: string): Promise<void> {
  await using agent = await startObsforge(["run", "--config", config], { cwd });
  await untilRunning(join(cwd, "agent.log"), agent, 1);
  await sleep(FIRST_START_MS);
  agent.signal("SIGTERM");
  await agent.ended;
}

/** @param start  the log holds every start up to this one */
async function untilRunning(log: string, agent: RunningCommand, start: number): Promise<void> {
  for (let waitedMs = 0; waitedMs < START_MS_MAX; waitedMs += 100) {
    if (logRecords(log).filter(({ msg }) => msg === "running").length >= start) return;
    await sleep(100);
  }
  throw new Error(`the agent does not run: ${agent.stderr()}`);
}

/** The records up to now; the last line may be on its way still. */
function logRecords(path: string): LogRecord[] {
  try {
    const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line) as LogRecord);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** The agent's own metrics, and the sinks' counts at the same moment. */
class Scrape {
  readonly #url: string;
  readonly #sinks: Sinks;

  constructor(url: string, sinks: Sinks) {
    this.#url = url;
    this.#sinks = sinks;
  }

  /** The text at a moment when nothing is between receiver and sinks, or the last one seen. */
  async settled(): Promise<string> {
    let text = "";
    for (let waitedMs = 0; waitedMs < SETTLED_MS_MAX; waitedMs += SETTLED_POLL_MS) {
      this.#sinks.count();
      const before = this.#sinks.samples;
      text = await (await fetch(this.#url, { headers: { connection: "close" } })).text();
      this.#sinks.count();
      // What came meanwhile may be in the text or not.
      if (isSettled(text) && this.#sinks.samples === before) return text;
      await sleep(SETTLED_POLL_MS);
    }
    return text;
  }
}

function isSettled(text: string): boolean {
  const { samples, exporters } = countsOf(text);
  const isTaken = samples.taken === samples.delivered + samples.lost;
  return isTaken && [...exporters.values()].every((counts) => missingOf(counts, samples) === 0);
}

/** Rows that the exporter has neither sent nor counted as failed. */
export function missingOf(counts: ExporterCounts, { accepted }: SampleCounts): number {
  return accepted - counts.sent - counts.sendFailed - counts.enqueueFailed;
}

type Counts = Pick<
  SoakRun,
  "samples" | "exporters" | "files" | "mapBytes" | "knownPrograms" | "cpuSeconds"
>;

function countsOf(text: string): Counts {
  const ofReceiver = (name: string): number => metricSum(text, `obsforge_receiver_${name}_total`);
  const ofFiles = (name: string): number => metricSum(text, `obsforge_exporter_${name}`);
  return {
    samples: {
      taken: ofReceiver("taken_samples"),
      delivered: ofReceiver("delivered_samples"),
      lost: ofReceiver("lost_samples"),
      dropped: ofReceiver("dropped_samples"),
      accepted: metricSum(text, "otelcol_receiver_accepted_profile_samples"),
    },
    exporters: new Map(exporterNames.map((name) => [name, exporterCounts(text, name)])),
    files: {
      written: ofFiles("written_files_total"),
      removed: ofFiles("removed_files_total"),
      folderBytes: ofFiles("folder_bytes"),
    },
    mapBytes:
      metricSum(text, "obsforge_bpf_map_bytes") + metricSum(text, "obsforge_side_band_bytes"),
    knownPrograms: metricSum(text, "obsforge_receiver_known_programs"),
    cpuSeconds: metricSum(text, "otelcol_process_cpu_seconds"),
  };
}

function exporterCounts(text: string, name: ExporterName): ExporterCounts {
  const of = (metric: string): number =>
    metricSum(text, `otelcol_exporter_${metric}`, `exporter="${name}"`);
  return {
    sent: of("sent_profile_samples"),
    sendFailed: of("send_failed_profile_samples"),
    enqueueFailed: of("enqueue_failed_profile_samples"),
    inFlight: of("in_flight_requests"),
  };
}
