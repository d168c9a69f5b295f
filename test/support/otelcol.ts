import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { decodeOtlp } from "../../src/profiles/otlp/decode.ts";
import type { ProfileBatch } from "../../src/profiles/profile.ts";
import { sleep } from "../../src/support/clock.ts";
import { FILE_LIMITS } from "../../src/support/limits.ts";
import { packageRoot } from "../../src/support/package-root.ts";
import { type RunningCommand, startCommand } from "./run-command.ts";

/** How a message came to the collector. */
export type OtlpWay = "grpc" | "http";

/** The OpenTelemetry Collector with a profiles pipeline for each way, on loopback. */
export interface RunningCollector extends AsyncDisposable {
  readonly pid: number;
  readonly grpcPort: number;
  readonly httpPort: number;
  /** Its own metrics as Prometheus scrapes them. */
  metrics(): Promise<string>;
  /** What it has received by `way` and written to its file, in order; complete after stop(). */
  profiles(way: OtlpWay): ProfileBatch[];
  /** The same as the bytes of ProfilesData that the collector wrote. */
  messages(way: OtlpWay): Uint8Array[];
  log(): string;
  /** SIGTERM; resolves when it has written all. Rejects with its log when it did not end well. */
  stop(): Promise<void>;
}

interface Ports {
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly metricsPort: number;
}

const SOURCES = ["main.go", "go.mod", "go.sum"];
const START_ATTEMPTS_MAX = 3;
const READY_WITHIN_MS = 30_000;
const POLL_MS = 20;
/** Longer than any test; whatever else happens, no collector outlives it. */
const LIFE_MS = 15 * 60_000;
const LENGTH_BYTES = 4;

/** The folder of the collector's sources. */
export const collectorFolder: string = join(packageRoot(), "test/interop/otelcol");

/** Where `make test-interop` puts the binary of the present sources, whether it is there or not. */
export function collectorPath(): string {
  const hash = createHash("sha256").update(process.arch);
  for (const name of SOURCES) hash.update(readFileSync(join(collectorFolder, name)));
  const folder = hash.digest("hex").slice(0, 16);
  return join(packageRoot(), "build/otelcol", folder, "otelcol");
}

export function isCollectorBuilt(): boolean {
  return existsSync(collectorPath());
}

/** Starts the collector, which keeps its files in `folder`; resolves when it takes profiles. */
export async function startCollector(folder: string): Promise<RunningCollector> {
  for (let attempt = 1; ; attempt++) {
    const ports = await freePorts();
    writeFileSync(join(folder, "otelcol.yaml"), configuration(folder, ports));
    const process = await startCommand(
      collectorPath(),
      [`--config=${join(folder, "otelcol.yaml")}`, "--feature-gates=service.profilesSupport"],
      { timeoutMs: LIFE_MS },
    );
    if (await isReady(process)) return runningCollector(process, folder, ports);
    await process[Symbol.asyncDispose]();
    const { stdout, stderr } = await process.ended;
    // Another process may have taken a port since it was found free.
    const retry = attempt < START_ATTEMPTS_MAX && stdout.includes("address already in use");
    if (!retry) throw new Error(`the collector did not start: ${stdout}${stderr}`);
  }
}

/** The messages of the file exporter's format proto: each after its length, four bytes, big end. */
export function messagesOfFile(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const messages: Uint8Array[] = [];
  for (let offset = 0; offset + LENGTH_BYTES <= bytes.length; ) {
    const start = offset + LENGTH_BYTES;
    const end = start + view.getUint32(offset);
    // A running collector may have written the first part only.
    if (end > bytes.length) break;
    messages.push(bytes.subarray(start, end));
    offset = end;
  }
  return messages;
}

function runningCollector(
  process: RunningCommand,
  folder: string,
  { grpcPort, httpPort, metricsPort }: Ports,
): RunningCollector {
  const messages = (way: OtlpWay): Uint8Array[] => messagesOfFile(readFileSync(file(folder, way)));
  return {
    pid: process.pid,
    grpcPort,
    httpPort,
    metrics: async () => (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text(),
    messages,
    profiles: (way) => messages(way).map((bytes) => decodeOtlp(bytes, FILE_LIMITS)),
    log: () => process.stdout(),
    async stop() {
      process.signal("SIGTERM");
      const { code, stdout, stderr } = await process.ended;
      if (code !== 0) throw new Error(`the collector ended with ${code}: ${stdout}${stderr}`);
    },
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  };
}

function file(folder: string, way: OtlpWay): string {
  return join(folder, `otelcol-${way}.pb`);
}

/** A pipeline for each way, so that what came by one is not taken for what came by the other. */
function configuration(folder: string, { grpcPort, httpPort, metricsPort }: Ports): string {
  const pipeline = (way: OtlpWay): string =>
    `{ receivers: [otlp/${way}], processors: [memory_limiter], exporters: [file/${way}, debug] }`;
  const exporter = (way: OtlpWay): string =>
    `{ path: ${JSON.stringify(file(folder, way))}, format: proto, flush_interval: 50ms }`;
  return `
receivers:
  otlp/grpc:
    protocols: { grpc: { endpoint: "127.0.0.1:${grpcPort}", max_recv_msg_size_mib: 64 } }
  otlp/http:
    protocols: { http: { endpoint: "127.0.0.1:${httpPort}" } }
processors:
  memory_limiter: { check_interval: 1s, limit_mib: 1024 }
exporters:
  file/grpc: ${exporter("grpc")}
  file/http: ${exporter("http")}
  debug: { verbosity: basic }
service:
  telemetry:
    logs: { level: info, output_paths: [stdout], error_output_paths: [stdout] }
    metrics:
      readers: [{ pull: { exporter: { prometheus: { host: 127.0.0.1, port: ${metricsPort} } } } }]
  pipelines:
    profiles/grpc: ${pipeline("grpc")}
    profiles/http: ${pipeline("http")}
`;
}

/** Whether it said that it is ready before it ended or its time was over. */
async function isReady(process: RunningCommand): Promise<boolean> {
  let hasEnded = false;
  void process.ended.then(() => {
    hasEnded = true;
  });
  for (let waitedMs = 0; waitedMs < READY_WITHIN_MS && !hasEnded; waitedMs += POLL_MS) {
    if (process.stdout().includes("Everything is ready")) return true;
    await sleep(POLL_MS);
  }
  return false;
}

/** Ports of loopback that nobody listened on a moment ago. */
async function freePorts(): Promise<Ports> {
  const servers = [createServer(), createServer(), createServer()] as const;
  const ports = servers.map(async (server) => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return (server.address() as AddressInfo).port;
  });
  const [grpcPort, httpPort, metricsPort] = (await Promise.all(ports)) as [number, number, number];
  for (const server of servers) server.close();
  return { grpcPort, httpPort, metricsPort };
}
