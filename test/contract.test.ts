import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { after, describe, it } from "node:test";
import { components } from "../src/components.ts";
import { checked } from "../src/config/check.ts";
import { forward } from "../src/connectors/forward/index.ts";
import { debug } from "../src/exporters/debug/index.ts";
import { otlpGrpc } from "../src/exporters/otlp_grpc/index.ts";
import { otlpHttp } from "../src/exporters/otlp_http/index.ts";
import { pprof } from "../src/exporters/pprof/index.ts";
import { pyroscope } from "../src/exporters/pyroscope/index.ts";
import { singleFile } from "../src/exporters/single_file/index.ts";
import type { Component, ProfileConsumer, SourceContext } from "../src/pipeline/component.ts";
import { SharedServices } from "../src/pipeline/shared-services.ts";
import { testContext } from "../src/pipeline/testing/context.ts";
import { symbolize } from "../src/processors/symbolize/index.ts";
import { type EncodableFormat, formatOfPath, isEncodable } from "../src/profiles/formats.ts";
import { encodeOtlp } from "../src/profiles/otlp/encode.ts";
import { emptyProfile, ProfileBatch } from "../src/profiles/profile.ts";
import { ebpf } from "../src/receivers/ebpf/index.ts";
import { otlp } from "../src/receivers/otlp/index.ts";
import type { OtlpReceiver } from "../src/receivers/otlp/receiver.ts";
import { sleep } from "../src/support/clock.ts";
import { FILE_LIMITS } from "../src/support/limits.ts";
import { silentLogger } from "../src/support/logger.ts";
import { nodeHttp } from "../src/transport/node-http.ts";
import { startOtlpGrpcSink, startOtlpHttpSink } from "./support/otlp-sink.ts";
import { pprofSums } from "./support/pprof-message.ts";
import { startPushSink } from "./support/push-sink.ts";
import { CollectingSink, heldResources, keepBusy, totalOf } from "./support/receiver-run.ts";
import { requirement } from "./support/requirements.ts";
import { type TemporaryFolder, temporaryFolder } from "./support/temporary-folder.ts";

/** What every component promises, tried on each of them. */
interface Candidate {
  readonly type: string;
  readonly skip: string | false;
  readonly create: (
    context: SourceContext,
    folder: TemporaryFolder,
  ) => Component | Promise<Component>;
  /** Makes data go in: a receiver's come by themselves. */
  readonly feed: (component: Component) => Promise<void>;
  /** What came out by now, in samples. */
  readonly output: (sink: CollectingSink, folder: TemporaryFolder) => number;
}

const SAMPLES = 7;

function batchOf(value: number): ProfileBatch {
  const batch = new ProfileBatch();
  const profile = emptyProfile();
  profile.samples.push(0, 0, 0, value);
  const scope = { name: "", version: "", attributes: [], droppedAttributesCount: 0 };
  batch.resourceProfiles.push({
    resource: { attributes: [], droppedAttributesCount: 0 },
    schemaUrl: "",
    scopeProfiles: [{ scope, schemaUrl: "", profiles: [profile] }],
  });
  return batch;
}

function consumeOne(component: Component): Promise<void> {
  return (component as Component & ProfileConsumer).consume(batchOf(SAMPLES));
}

async function postOne(address: string): Promise<void> {
  const headers = { "content-type": "application/x-protobuf" };
  const options = { method: "POST", headers, agent: false };
  const request = nodeHttp().request(`http://${address}/v1development/profiles`, options);
  request.end(encodeOtlp(batchOf(SAMPLES)));
  const [response] = await once(request, "response");
  assert.equal(response.statusCode, 200);
  await once(response.resume(), "close");
}

function formatOf(path: string): EncodableFormat {
  const format = formatOfPath(path);
  assert.ok(format !== undefined && isEncodable(format));
  return format;
}

function totalIn(path: string): number {
  return totalOf(formatOf(path).decode(readFileSync(path), FILE_LIMITS));
}

const httpSink = await startOtlpHttpSink();
const grpcSink = await startOtlpGrpcSink();
const pushSink = await startPushSink();
after(async () => {
  await httpSink[Symbol.asyncDispose]();
  await grpcSink[Symbol.asyncDispose]();
  await pushSink[Symbol.asyncDispose]();
});
/** What the three held when the present trial began. */
const takenBefore = { http: 0, grpc: 0, push: 0 };

function taken({ batches }: { readonly batches: readonly ProfileBatch[] }): number {
  return batches.reduce((total, batch) => total + totalOf(batch), 0);
}

function pushed(): number {
  const columns = pushSink.accepted.flatMap(({ profile }) => [...pprofSums(profile).values()]);
  return columns.reduce((total, sum) => total + sum, 0);
}

const candidates: readonly Candidate[] = [
  {
    type: ebpf.type,
    skip: requirement("root", "bpf"),
    create: (context) => ebpf.create(checked(ebpf.config, { samples_per_second: 99 }), context),
    feed: () => keepBusy(300),
    output: (sink) => sink.total,
  },
  {
    type: otlp.type,
    skip: false,
    create: (context) => {
      const http = { endpoint: "127.0.0.1:0" };
      return otlp.create(checked(otlp.config, { protocols: { http } }), context);
    },
    feed: (component) => postOne((component as OtlpReceiver).address("http") ?? ""),
    output: (sink) => sink.total,
  },
  {
    type: symbolize.type,
    skip: false,
    create: (context) => symbolize.create(checked(symbolize.config), context),
    feed: consumeOne,
    output: (sink) => sink.total,
  },
  {
    type: forward.type,
    skip: false,
    create: (context) => forward.create(checked(forward.config), context),
    feed: consumeOne,
    output: (sink) => sink.total,
  },
  {
    type: singleFile.type,
    skip: false,
    create: (context, folder) =>
      singleFile.create(
        checked(singleFile.config, { path: folder.file("out.otlp.pb"), format: "otlp" }),
        context,
      ),
    feed: consumeOne,
    output: (_sink, folder) => {
      const path = folder.file("out.otlp.pb");
      return existsSync(path) ? totalIn(path) : 0;
    },
  },
  {
    type: pprof.type,
    skip: false,
    create: (context, folder) =>
      pprof.create(checked(pprof.config, { directory: folder.path }), context),
    feed: consumeOne,
    output: (_sink, folder) =>
      readdirSync(folder.path).reduce((sum, name) => sum + totalIn(folder.file(name)), 0),
  },
  {
    type: debug.type,
    skip: false,
    create: (context, folder) => {
      const output_paths = [folder.file("out.txt")];
      const options = { verbosity: "normal", use_internal_logger: false, output_paths };
      return debug.create(checked(debug.config, options), context);
    },
    feed: consumeOne,
    output: (_sink, folder) => {
      const path = folder.file("out.txt");
      if (!existsSync(path)) return 0;
      const sums = readFileSync(path, "utf8").matchAll(/ sum=(\d+)/g);
      return sums.reduce((total, [, sum]) => total + Number(sum), 0);
    },
  },
  {
    type: otlpHttp.type,
    skip: false,
    create: (context) => {
      takenBefore.http = taken(httpSink);
      return otlpHttp.create(checked(otlpHttp.config, { endpoint: httpSink.endpoint }), context);
    },
    feed: consumeOne,
    output: () => taken(httpSink) - takenBefore.http,
  },
  {
    type: otlpGrpc.type,
    skip: false,
    create: (context) => {
      takenBefore.grpc = taken(grpcSink);
      const config = { endpoint: grpcSink.endpoint, tls: { insecure: true } };
      return otlpGrpc.create(checked(otlpGrpc.config, config), context);
    },
    feed: consumeOne,
    output: () => taken(grpcSink) - takenBefore.grpc,
  },
  {
    type: pyroscope.type,
    skip: false,
    create: (context) => {
      takenBefore.push = pushed();
      const { endpoint } = pushSink;
      return pyroscope.create(checked(pyroscope.config, { endpoint }), context);
    },
    feed: consumeOne,
    output: () => pushed() - takenBefore.push,
  },
];

interface Trial {
  readonly component: Component;
  readonly output: () => number;
}

/** Tries one component that nothing was done with yet, before a sink that takes its time. */
async function tried(candidate: Candidate, trial: (trial: Trial) => Promise<void>): Promise<void> {
  using folder = temporaryFolder();
  await using shared = new SharedServices(silentLogger);
  const sink = new CollectingSink(() => sleep(50));
  const component = await candidate.create({ ...testContext({ shared }), next: sink }, folder);
  await trial({ component, output: () => candidate.output(sink, folder) });
}

describe("the contract", () => {
  it("is tried on every component that there is", () => {
    const tried = candidates.map(({ type }) => type).sort();
    assert.deepEqual(tried, components.map(({ type }) => type).sort());
  });

  for (const { type, config } of components) {
    it(`is the same for ${type} with every default written out`, () => {
      const fields = Object.entries(config.info.fields ?? {});
      const needed = fields.filter(([, { info }]) => info.isRequired);
      const least = Object.fromEntries(needed.map(([key]) => [key, "http://localhost:1"]));
      const written = fields.filter(([, { info }]) => info.default !== undefined);
      const defaults = Object.fromEntries(written.map(([key, { info }]) => [key, info.default]));
      assert.deepEqual(checked(config, { ...least, ...defaults }), checked(config, least));
    });
  }
});

for (const candidate of candidates) {
  describe(`component ${candidate.type}`, { skip: candidate.skip }, () => {
    it("passes on by its stop what it took", async () => {
      await tried(candidate, async ({ component, output }) => {
        await component.start();
        await candidate.feed(component);
        await component.stop();
        assert.ok(output() > 0);
      });
    });

    it("is the same after two starts, together or one after the other", async () => {
      await tried(candidate, async ({ component, output }) => {
        await Promise.all([component.start(), component.start()]);
        await component.start();
        await candidate.feed(component);
        await component.stop();
        assert.ok(output() > 0);
      });
    });

    it("stops without a start, and gives nothing", async () => {
      await tried(candidate, async ({ component, output }) => {
        await component.stop();
        assert.equal(output(), 0);
      });
    });

    it("stops twice, and gives nothing more", async () => {
      await tried(candidate, async ({ component, output }) => {
        await component.start();
        await candidate.feed(component);
        await Promise.all([component.stop(), component.stop()]);
        const first = output();
        await component.stop();
        assert.ok(first > 0);
        assert.equal(output(), first);
      });
    });

    it("drains what is on its way when it is stopped", async () => {
      await tried(candidate, async ({ component, output }) => {
        await component.start();
        const feeding = [0, 1, 2].map(() => candidate.feed(component));
        await sleep(250);
        await component.stop();
        const atStop = output();
        assert.ok(atStop > 0);
        await Promise.all(feeding);
        assert.equal(output(), atStop);
      });
    });

    it("holds nothing when it has stopped", async () => {
      const run = (): Promise<void> =>
        tried(candidate, async ({ component }) => {
          await component.start();
          await candidate.feed(component);
          await component.stop();
        });
      await run();
      const before = heldResources();
      await run();
      await assertNoMoreThan(before);
    });
  });
}

/** A socket's other end, which a sink in this process holds, closes a moment after its first. */
const OTHER_END_CLOSES_MS = 500;

async function assertNoMoreThan(before: Readonly<Record<string, number>>): Promise<void> {
  const isMore = (): boolean =>
    Object.entries(heldResources()).some(([name, count]) => count > (before[name] ?? 0));
  for (let waitedMs = 0; isMore() && waitedMs < OTHER_END_CLOSES_MS; waitedMs += 10)
    await sleep(10);
  if (isMore()) assert.deepEqual(heldResources(), before);
}
