import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { CollectingSink } from "../../../../test/support/receiver-run.ts";
import { checked } from "../../../config/check.ts";
import { testContext } from "../../../pipeline/testing/context.ts";
import { createLogger } from "../../../support/logger.ts";
import { MetricRegistry } from "../../../support/metrics.ts";
import { otlpConfig } from "../config.ts";
import { OtlpReceiver } from "../receiver.ts";

export interface OtlpTrialOptions {
  readonly sink?: CollectingSink;
  /** Keys beside the endpoint. */
  readonly grpc?: object;
  readonly http?: object;
}

/** A receiver of both protocols on loopback, before a sink. */
export class OtlpTrial implements AsyncDisposable {
  readonly sink: CollectingSink;
  readonly registry: MetricRegistry = new MetricRegistry();
  readonly lines: string[] = [];
  readonly receiver: OtlpReceiver;
  /** "127.0.0.1:PORT", also when it has stopped. */
  grpc = "";
  http = "";

  private constructor({ sink = new CollectingSink(), grpc, http }: OtlpTrialOptions) {
    this.sink = sink;
    const endpoint = "127.0.0.1:0";
    const protocols = { grpc: { endpoint, ...grpc }, http: { endpoint, ...http } };
    const context = testContext({
      metrics: this.registry.metrics(),
      logger: createLogger("debug", (line) => this.lines.push(line)),
    });
    this.receiver = new OtlpReceiver(checked(otlpConfig, { protocols }), {
      ...context,
      next: sink,
    });
  }

  static async start(options: OtlpTrialOptions = {}): Promise<OtlpTrial> {
    const trial = new OtlpTrial(options);
    await trial.receiver.start();
    trial.grpc = trial.receiver.address("grpc") ?? "";
    trial.http = trial.receiver.address("http") ?? "";
    return trial;
  }

  /** Samples of both protocols. */
  counted(what: "accepted" | "refused" | "failed"): number {
    const name = `otelcol_receiver_${what}_profile_samples`;
    return ["grpc", "http"].reduce(
      (sum, transport) => sum + (this.registry.value(name, { transport }) ?? 0),
      0,
    );
  }

  refusedRequests(transport: string, reason: string): number {
    const name = "obsforge_receiver_refused_requests_total";
    return this.registry.value(name, { transport, reason }) ?? 0;
  }

  /** Calls Export with bytes as they are; resolves with the status, which is 0 for a success. */
  async call(message: Uint8Array): Promise<Pick<ServiceError, "code" | "details" | "metadata">> {
    const path = "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export";
    const client = new Client(this.grpc, credentials.createInsecure());
    const { promise, resolve } = Promise.withResolvers<ServiceError | undefined>();
    client.makeUnaryRequest(
      path,
      (bytes: Uint8Array) => Buffer.from(bytes),
      (bytes) => bytes,
      message,
      (error) => resolve(error ?? undefined),
    );
    const error = await promise;
    client.close();
    return error ?? ({ code: 0, details: "" } as ServiceError);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.receiver.stop();
  }
}
