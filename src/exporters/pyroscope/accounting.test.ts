import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { HttpFault } from "../../../test/support/http-sink.ts";
import { pprofSums } from "../../../test/support/pprof-message.ts";
import { connectError, type PushSink, startPushSink } from "../../../test/support/push-sink.ts";
import { checked } from "../../config/check.ts";
import { DeliveryError } from "../../pipeline/component.ts";
import { testContext } from "../../pipeline/testing/context.ts";
import { ProfileBatch } from "../../profiles/profile.ts";
import { sleep, systemClock } from "../../support/clock.ts";
import { isCollectorError } from "../../support/errors.ts";
import { MetricRegistry } from "../../support/metrics.ts";
import { pyroscopeConfig } from "./config.ts";
import { PyroscopeExporter } from "./exporter.ts";
import { addResource, type GivenProfile, type GivenSample } from "./testing/batches.ts";

const MINUTE_NS = 60_000_000_000n;
const REASONS = ["too_old", "too_new", "negative_value", "too_large"];
/** Frames with names of 50,000 bytes: some fill a request, many are too large for any. */
const FRAMES = { small: 0, large: 20, tooLarge: 100 } as const;

interface GivenRows {
  readonly service: string;
  readonly minutes: bigint;
  readonly rows: readonly { readonly size: keyof typeof FRAMES; readonly value: number }[];
}

const givenRows: fc.Arbitrary<GivenRows> = fc.record({
  service: fc.constantFrom("a", "b", "c"),
  minutes: fc.constantFrom(0n, 0n, 0n, -70n, 20n),
  rows: fc.array(
    fc.record({
      size: fc.oneof(
        { weight: 6, arbitrary: fc.constant("small" as const) },
        { weight: 4, arbitrary: fc.constant("large" as const) },
        { weight: 1, arbitrary: fc.constant("tooLarge" as const) },
      ),
      value: fc.constantFrom(1, 1, 1, -1),
    }),
    { maxLength: 4 },
  ),
});

/** Every row that is delivered adds one to the sum of what is pushed. */
function batchOf(given: readonly GivenRows[]): ProfileBatch {
  const batch = new ProfileBatch();
  const now = systemClock.unixNanos();
  for (const { service, minutes, rows } of given) {
    const samples = rows.map(({ size, value }): GivenSample => {
      const names = Array.from({ length: FRAMES[size] }, (_, frame) =>
        `${service}${frame}`.padEnd(50_000, "x"),
      );
      return { stack: [size, ...names], value };
    });
    const timeUnixNano = now + minutes * MINUTE_NS;
    const profile: GivenProfile = { type: "samples/count", samples, timeUnixNano };
    addResource(batch, { "service.name": service }, [profile]);
  }
  return batch;
}

class Books implements AsyncDisposable {
  readonly sink: PushSink;
  readonly #registry = new MetricRegistry();
  readonly #exporter: PyroscopeExporter;

  constructor(sink: PushSink) {
    this.sink = sink;
    this.#exporter = new PyroscopeExporter(
      checked(pyroscopeConfig, { endpoint: sink.endpoint }),
      testContext({ metrics: this.#registry.metrics() }),
    );
  }

  /** Rows that the exporter says were delivered, dropped and failed, once they are all accounted. */
  async export(batch: ProfileBatch): Promise<{ delivered: number; dropped: number }> {
    await this.#exporter.start();
    const before = { pushed: this.#pushed(), dropped: this.#dropped() };
    const result = await this.#exporter.consume(batch).catch((error: unknown) => {
      if (error instanceof DeliveryError) return error.result;
      assert.ok(isCollectorError(error, "UNAVAILABLE_RETRYABLE"), String(error));
      return { delivered: 0, dropped: 0 };
    });
    assert.equal(result.delivered, this.#pushed() - before.pushed, "delivered");
    assert.equal(result.dropped, this.#dropped() - before.dropped, "dropped");
    assert.ok(result.delivered + result.dropped <= batch.sampleCount);
    return result;
  }

  #pushed(): number {
    return this.sink.accepted.reduce(
      (sum, { profile }) => sum + (pprofSums(profile).get("samples/count") ?? 0),
      0,
    );
  }

  #dropped(): number {
    const values = REASONS.map((reason) =>
      this.#registry.value("obsforge_exporter_dropped_samples_total", { reason }),
    );
    return values.reduce((sum: number, value) => sum + (value ?? 0), 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#exporter.stop();
  }
}

describe("pyroscope exporter, row by row", () => {
  it("says of each whether it was delivered or dropped", async () => {
    await using sink = await startPushSink();
    await using books = new Books(sink);
    await fc.assert(
      fc.asyncProperty(fc.array(givenRows, { maxLength: 5 }), async (given) => {
        const batch = batchOf(given);
        const { delivered, dropped } = await books.export(batch);
        assert.equal(delivered + dropped, batch.sampleCount);
        const good = given.filter(({ minutes }) => minutes === 0n).flatMap(({ rows }) => rows);
        const isSent = ({ size, value }: (typeof good)[number]): boolean =>
          size !== "tooLarge" && value > 0;
        assert.equal(delivered, good.filter(isSent).length);
      }),
      { numRuns: 30 },
    );
  });

  it("says it too when the server fails somewhere among the requests", async () => {
    const faults = fc.record({
      fault: fc.constantFrom<HttpFault>(
        connectError("invalid_argument", "broken"),
        connectError("unavailable", "down"),
        "reset",
      ),
      afterMs: fc.nat(40),
      times: fc.constantFrom(1, 2, Number.POSITIVE_INFINITY),
    });
    await using sink = await startPushSink();
    await using books = new Books(sink);
    await fc.assert(
      fc.asyncProperty(fc.array(givenRows, { maxLength: 5 }), faults, async (given, failing) => {
        sink.recover();
        const exported = books.export(batchOf(given));
        await sleep(failing.afterMs);
        sink.fail(failing.fault, failing.times);
        await exported;
      }),
      { numRuns: 40 },
    );
  });

  it("counts 15 rows that are too old as dropped, not as sent", async () => {
    await using sink = await startPushSink();
    await using books = new Books(sink);
    const old = Array.from({ length: 15 }, () => ({ size: "small", value: 1 }) as const);
    const result = await books.export(batchOf([{ service: "a", minutes: -70n, rows: old }]));
    assert.deepEqual(result, { delivered: 0, dropped: 15 });
  });

  it("counts no drops of a batch that may be sent again", async () => {
    await using sink = await startPushSink();
    await using books = new Books(sink);
    sink.fail(connectError("unavailable", "down"));
    const row = { size: "small", value: 1 } as const;
    const batch = batchOf([
      { service: "a", minutes: 0n, rows: [row] },
      { service: "b", minutes: -70n, rows: [row] },
    ]);
    assert.deepEqual(await books.export(batch), { delivered: 0, dropped: 0 });
    sink.recover();
    assert.deepEqual(await books.export(batch), { delivered: 1, dropped: 1 });
  });
});
