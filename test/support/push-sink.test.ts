import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { pprofOracle } from "../../src/profiles/testing/pprof-oracle.ts";
import { inflatedPprof, pprofFunctionNames, pprofSums } from "./pprof-message.ts";
import { encodeMessage, protoRoot } from "./proto-root.ts";
import { connectError, type PushSink, startPushSink } from "./push-sink.ts";

const pprof = pprofOracle();
const root = protoRoot("push/v1/push.proto");
const pushRequest = root.lookupType("push.v1.PushRequest");
const goProfile = readFileSync(
  new URL("../../src/profiles/pprof/testdata/go-cpu.pb.gz", import.meta.url),
);
const labels = { __name__: "process_cpu", service_name: "shop" };

// biome-ignore lint/suspicious/noExplicitAny: tests put anything in any place, wrong things too
type PlainProfile = any;

/** The genuine profile of a Go program as if it had been taken now, after a change to it. */
function goProfileOfNow(change: (profile: PlainProfile) => void = () => {}): Uint8Array {
  const profile: PlainProfile = pprof.decode(inflatedPprof(goProfile));
  profile.time_nanos = Date.now() * 1e6;
  change(profile);
  return pprof.encode(profile).finish();
}

function pushOf(given: Record<string, string>, ...profiles: readonly Uint8Array[]): Uint8Array {
  const pairs = Object.entries(given).map(([name, value]) => ({ name, value }));
  const samples = profiles.map((rawProfile, index) => ({ rawProfile, ID: `id-${index}` }));
  return encodeMessage(pushRequest, { series: [{ labels: pairs, samples }] });
}

async function push(
  sink: PushSink,
  body: Uint8Array,
  headers: Record<string, string> = {},
): Promise<{ status: number; code: string; message: string }> {
  const response = await fetch(`${sink.endpoint}/push.v1.PusherService/Push`, {
    method: "POST",
    headers: { "content-type": "application/proto", ...headers },
    body: new Uint8Array(body),
  });
  const text = await response.text();
  const error = text === "" ? {} : (JSON.parse(text) as { code: string; message: string });
  return { status: response.status, code: "", message: "", ...error };
}

const many = <Item>(count: number, make: (index: number) => Item): Item[] =>
  Array.from({ length: count }, (_, index) => make(index));
const manyLabels = (count: number): Record<string, string> =>
  Object.fromEntries(many(count, (index) => [`label_${index}`, "x"]));

const refused: readonly {
  readonly name: string;
  readonly given?: Record<string, string>;
  readonly change?: (profile: PlainProfile) => void;
  readonly says: RegExp;
}[] = [
  { name: "no profile type", given: { service_name: "shop" }, says: /invalid metric name/ },
  { name: "a hyphen in a label's name", given: { ...labels, "a-b": "" }, says: /label name 'a-b'/ },
  { name: "a digit in front", given: { ...labels, "1a": "" }, says: /label name '1a'/ },
  {
    name: "two names that become one",
    given: { ...labels, "a.b": "1", a_b: "2" },
    says: /duplicate label name: 'a_b'/,
  },
  {
    name: "31 labels, of which the samples bring one",
    given: { ...labels, ...manyLabels(28) },
    says: /31 label names; limit 30/,
  },
  {
    name: "a label's name of 1025 bytes",
    given: { ...labels, ["a".repeat(1025)]: "" },
    says: /label name too long/,
  },
  {
    name: "a label's value of 2049 bytes",
    given: { ...labels, a: "é".repeat(1025) },
    says: /label value too long/,
  },
  {
    name: "an hour and a minute ago",
    change: (profile) => {
      profile.time_nanos = (Date.now() - 61 * 60_000) * 1e6;
    },
    says: /ingestion window/,
  },
  {
    name: "in eleven minutes",
    change: (profile) => {
      profile.time_nanos = (Date.now() + 11 * 60_000) * 1e6;
    },
    says: /ingestion window/,
  },
  {
    name: "16001 samples",
    change: (profile) => {
      profile.sample = many(16_001, () => profile.sample[0]);
    },
    says: /samples count limit/,
  },
  {
    name: "more than 4 MiB",
    change: (profile) => profile.string_table.push("x".repeat(4 * 1024 * 1024)),
    says: /exceeds limit of 4.2 MB/,
  },
  {
    name: "a sample type with a hyphen",
    change: (profile) => {
      profile.string_table[profile.sample_type[0].type] = "cpu-time";
    },
    says: /sample type contains -/,
  },
  {
    name: "a location without an id",
    change: (profile) => {
      profile.location[0].id = 0;
    },
    says: /location id is 0/,
  },
  {
    name: "a function without an id",
    change: (profile) => {
      profile.function[0].id = 0;
    },
    says: /function id is 0/,
  },
  {
    name: "a value too few",
    change: (profile) => profile.sample[0].value.pop(),
    says: /value length mismatch/,
  },
  {
    name: "a string that is not there",
    change: (profile) => {
      profile.function[0].name = 1_000_000;
    },
    says: /string index out of range/,
  },
  {
    name: "no sample type",
    change: (profile) => {
      profile.sample_type = [];
    },
    says: /empty profile/,
  },
  {
    name: "a label of a sample that is no label of a series",
    change: (profile) => {
      const key = profile.string_table.push("thread-name") - 1;
      profile.sample[0].label = [{ key, str: key }];
    },
    says: /label name 'thread-name'/,
  },
];

describe("the sink for pushes", () => {
  it("keeps a genuine profile, by its series", async () => {
    await using sink = await startPushSink();
    const given = { ...labels, "k8s.pod": "a" };
    const body = gzipSync(pushOf(given, goProfileOfNow(), gzipSync(goProfileOfNow())));
    const headers = { "content-encoding": "gzip", "x-scope-orgid": "team", authorization: "x" };
    assert.deepEqual(await push(sink, body, headers), { status: 200, code: "", message: "" });
    const series = '__name__="process_cpu",k8s_pod="a",service_name="shop"';
    assert.deepEqual([...sink.bySeries().keys()], [series]);
    assert.deepEqual(
      sink.accepted.map(({ id, silentLosses }) => [id, silentLosses]),
      [
        ["id-0", []],
        ["id-1", []],
      ],
    );
    for (const { profile } of sink.accepted) {
      assert.equal(pprofSums(profile).get("samples/count"), 20);
      assert.ok(pprofFunctionNames(profile).has("main.spin"));
    }
    assert.equal(sink.requests[0]?.headers["x-scope-orgid"], "team");
    assert.equal(sink.requests[0]?.headers.authorization, "x");
    assert.equal(sink.requests[0]?.wireBytes, body.length);
  });

  for (const { name, given, change, says } of refused) {
    it(`refuses ${name}`, async () => {
      await using sink = await startPushSink();
      const result = await push(sink, pushOf(given ?? labels, goProfileOfNow(change)));
      assert.equal(result.status, 400);
      assert.equal(result.code, "invalid_argument");
      assert.match(result.message, says);
      assert.deepEqual(sink.accepted, []);
    });
  }

  it("refuses an old profile and keeps the good one beside it", async () => {
    await using sink = await startPushSink();
    const result = await push(sink, pushOf(labels, goProfile, goProfileOfNow()));
    assert.equal(result.status, 400);
    assert.match(result.message, /index 0 and id id-0 failed: .*ingestion window/);
    assert.deepEqual(
      sink.accepted.map(({ id }) => id),
      ["id-1"],
    );
  });

  it("refuses bytes that are not UTF-8, in labels and in profiles", async () => {
    await using sink = await startPushSink();
    const wrong = (bytes: Uint8Array, text: string): Uint8Array => {
      const copy = Buffer.from(bytes);
      copy[copy.indexOf(text) + text.length - 1] = 0xff;
      return copy;
    };
    const label = await push(sink, wrong(pushOf(labels, goProfileOfNow()), "shop"));
    assert.match(label.message, /encoding utf-8/);
    const text = await push(sink, pushOf(labels, wrong(goProfileOfNow(), "main.spin")));
    assert.match(text.message, /encoding utf-8/);
  });

  it("names a service that has no name as Pyroscope does", async () => {
    await using sink = await startPushSink();
    await push(sink, pushOf({ __name__: "process_cpu" }, goProfileOfNow()));
    assert.equal(sink.accepted[0]?.labels.get("service_name"), "unknown_service");
  });

  it("tells what Pyroscope drops without a word", async () => {
    await using sink = await startPushSink();
    const change = (profile: PlainProfile): void => {
      const [first] = profile.location;
      profile.location.push({ ...first, id: 999_999, address: 0, line: [] });
      profile.sample[0].location_id = [999_999];
      profile.sample[1].location_id = many(1001, () => first.id);
      profile.sample[2].value = profile.sample[2].value.map(() => -1);
    };
    assert.equal((await push(sink, pushOf(labels, goProfileOfNow(change)))).status, 200);
    assert.deepEqual(sink.accepted[0]?.silentLosses, [
      "a sample with an empty frame is dropped",
      "a stack of 1001 is cut",
      "a sample with a negative value is dropped",
    ]);
  });

  it("answers as it is told, then takes profiles again", async () => {
    await using sink = await startPushSink();
    const body = pushOf(labels, goProfileOfNow());
    sink.fail(connectError("resource_exhausted", "too fast", { "retry-after": "1" }), 1);
    assert.deepEqual(await push(sink, body), {
      status: 429,
      code: "resource_exhausted",
      message: "too fast",
    });
    sink.fail({ status: 503 });
    assert.equal((await push(sink, body)).status, 503);
    sink.fail("reset");
    await assert.rejects(push(sink, body));
    sink.fail("hang");
    const hanging = push(sink, body);
    hanging.catch(() => {});
    await sink.waitForRequests(4);
    sink.recover();
    assert.equal((await push(sink, body)).status, 200);
    assert.equal(sink.accepted.length, 1);
  });

  it("asks for a tenant when it is told to, and for the right call", async () => {
    await using sink = await startPushSink({ tenantRequired: true });
    const body = pushOf(labels, goProfileOfNow());
    assert.equal((await push(sink, body)).code, "unauthenticated");
    const tenant = { "x-scope-orgid": "team" };
    assert.equal((await push(sink, body, tenant)).status, 200);
    const json = { ...tenant, "content-type": "application/json" };
    assert.equal((await push(sink, body, json)).status, 415);
    assert.equal((await push(sink, body, { ...tenant, "content-encoding": "br" })).status, 501);
    assert.equal((await push(sink, body, { ...tenant, "content-encoding": "gzip" })).status, 400);
    assert.equal((await push(sink, Uint8Array.of(0xff), tenant)).status, 400);
    assert.equal((await push(sink, new Uint8Array(), tenant)).message, "no profiles received");
    assert.equal((await fetch(`${sink.endpoint}/push.v1.PusherService/Push`)).status, 405);
    assert.equal((await fetch(`${sink.endpoint}/ingest`)).status, 404);
  });
});
