import { status } from "@grpc/grpc-js";
import type { ProfileBatch } from "../../src/profiles/profile.ts";
import { sleep } from "../../src/support/clock.ts";
import {
  type OtlpGrpcSink,
  type OtlpHttpSink,
  startOtlpGrpcSink,
  startOtlpHttpSink,
} from "../support/otlp-sink.ts";
import type { PprofMessage } from "../support/pprof-message.ts";
import { type PushSink, startPushSink } from "../support/push-sink.ts";

/** What a sink does to the agent; each stands for a while and then ends. */
const faults = ["hang", "unavailable", "reset", "none"] as const;
type Fault = (typeof faults)[number];

export const sinkNames = ["pyroscope", "otlp_http", "otlp_grpc"] as const;
export type SinkName = (typeof sinkNames)[number];

/** What came in: rows as the agent counts them, and sums of values by the window's start. */
export interface Received {
  /** Samples of batches; 0 for a sink that is not sent batches. */
  samples: number;
  readonly valueByWindow: Map<bigint, number>;
}

/** The three sinks on loopback, whose requests are counted and not kept. */
export class Sinks implements AsyncDisposable {
  readonly pyroscope: PushSink;
  readonly otlpHttp: OtlpHttpSink;
  readonly otlpGrpc: OtlpGrpcSink;
  readonly received: Readonly<Record<SinkName, Received>> = {
    pyroscope: nothingReceived(),
    otlp_http: nothingReceived(),
    otlp_grpc: nothingReceived(),
  };

  private constructor(pyroscope: PushSink, otlpHttp: OtlpHttpSink, otlpGrpc: OtlpGrpcSink) {
    this.pyroscope = pyroscope;
    this.otlpHttp = otlpHttp;
    this.otlpGrpc = otlpGrpc;
  }

  static async start(): Promise<Sinks> {
    return new Sinks(await startPushSink(), await startOtlpHttpSink(), await startOtlpGrpcSink());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pyroscope[Symbol.asyncDispose]();
    await this.otlpHttp[Symbol.asyncDispose]();
    await this.otlpGrpc[Symbol.asyncDispose]();
  }

  /** Begins to count anew: what came up to now was another agent's. */
  forget(): void {
    this.count();
    for (const name of sinkNames) this.received[name].samples = 0;
  }

  /** Of all batches that were counted. */
  get samples(): number {
    return this.received.otlp_http.samples + this.received.otlp_grpc.samples;
  }

  /** Counts what came since the last call, and lets go of it. */
  count(): void {
    for (const { profile } of taken(this.pyroscope.accepted)) {
      add(this.received.pyroscope, profile.time_nanos, pprofSamples(profile));
    }
    countBatches(this.received.otlp_http, taken(this.otlpHttp.batches));
    countBatches(this.received.otlp_grpc, taken(this.otlpGrpc.batches));
    taken(this.pyroscope.requests);
    taken(this.otlpHttp.requests);
    taken(this.otlpGrpc.requests);
  }

  /**
   * Fails in turn until `stop`: each sink hangs, refuses, resets and works, each time another way
   * than the others, and all work in between.
   */
  async misbehave(faultMs: number, restMs: number, stop: AbortSignal): Promise<void> {
    for (let turn = 0; !stop.aborted; turn++) {
      this.#fail(turn);
      await sleep(faultMs, stop);
      this.#recover();
      await sleep(restMs, stop);
    }
  }

  #fail(turn: number): void {
    const faultOf = (sink: number): Fault => faults[(turn + sink) % faults.length] ?? "none";
    for (const [index, sink] of [this.pyroscope, this.otlpHttp].entries()) {
      const fault = faultOf(index);
      if (fault === "unavailable") sink.fail({ status: 503 });
      else if (fault !== "none") sink.fail(fault);
    }
    const fault = faultOf(2);
    if (fault === "unavailable") {
      this.otlpGrpc.fail({ code: status.UNAVAILABLE, details: "too busy" });
    } else if (fault !== "none") this.otlpGrpc.fail(fault);
  }

  #recover(): void {
    for (const sink of [this.pyroscope, this.otlpHttp, this.otlpGrpc]) sink.recover();
  }
}

function nothingReceived(): Received {
  return { samples: 0, valueByWindow: new Map() };
}

/** Empties a list that its owner only shows: a run of an hour would fill the memory. */
function taken<Item>(list: readonly Item[]): Item[] {
  return (list as Item[]).splice(0);
}

function countBatches(received: Received, batches: readonly ProfileBatch[]): void {
  for (const batch of batches) {
    received.samples += batch.sampleCount;
    for (const { profile } of batch.profiles()) {
      add(received, profile.timeUnixNano, profile.samples.total());
    }
  }
}

function add({ valueByWindow }: Received, window: bigint, value: number): void {
  valueByWindow.set(window, (valueByWindow.get(window) ?? 0) + value);
}

/** Ticks, whether a profile has them or their time. */
function pprofSamples(profile: PprofMessage): number {
  const types = profile.sample_type.map(({ type }) => profile.string_table[Number(type)]);
  const samples = types.indexOf("samples");
  const column = Math.max(samples, 0);
  const divisor = samples < 0 ? profile.period : 1n;
  return profile.sample.reduce(
    (sum, { value }) => sum + Number((value[column] ?? 0n) / divisor),
    0,
  );
}
