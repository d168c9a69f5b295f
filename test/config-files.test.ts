import assert from "node:assert/strict";
import { globSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { components } from "../src/components.ts";
import { systemEnvironment } from "../src/config/environment.ts";
import { resolveConfig } from "../src/config/resolve.ts";
import { FakeEnvironment } from "../src/config/testing/fake-environment.ts";
import { type Configuration, readConfiguration } from "../src/service/configuration.ts";
import { Definitions } from "../src/service/definitions.ts";
import { sleep } from "../src/support/clock.ts";
import { isCollectorError } from "../src/support/errors.ts";
import { packageRoot } from "../src/support/package-root.ts";
import { requirement } from "./support/requirements.ts";
import { runObsforge, startObsforge } from "./support/run-command.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";

const definitions = new Definitions(components);
const GATE = "--feature-gates=+service.profilesSupport";

/** What is said of a file that runs all the same; of those not named here, nothing. */
const expectedWarnings: Readonly<Record<string, readonly string[]>> = {};

/** The variables of this process do not reach the files: their defaults are tried. */
async function readFile(path: string, variables: Record<string, string> = {}) {
  const warnings: string[] = [];
  const environment = { ...systemEnvironment((text) => warnings.push(text)), variables };
  const resolved = await resolveConfig({ configs: [path], sets: [] }, environment);
  const configuration = readConfiguration(resolved.value, resolved, definitions);
  return { configuration, warnings: [...warnings, ...configuration.warnings] };
}

const files = globSync("config/*.yaml", { cwd: packageRoot() }).sort();

describe("the files of config/", () => {
  it("are there", () => assert.ok(files.length >= 4, files.join()));

  for (const file of files) {
    const path = join(packageRoot(), file);

    it(`${file} is right, and uses all that it configures`, async () => {
      const { warnings, configuration } = await readFile(path);
      assert.deepEqual(warnings, expectedWarnings[file] ?? []);
      assert.ok(configuration.graph.pipelines.size > 0);
    });

    it(`${file} passes obsforge validate`, async () => {
      const { code, stdout, stderr } = await runObsforge(["validate", "--config", path, GATE]);
      assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: "", stderr: "" });
    });
  }

  for (const [file, variable, id] of [
    ["agent-otlp.yaml", "OTLP_ENDPOINT", "otlp_grpc"],
    ["agent-pyroscope.yaml", "PYROSCOPE_ENDPOINT", "pyroscope"],
    ["otel-ebpf-profiler.yaml", "OTLP_GRPC_ENDPOINT", "otlp"],
    ["otel-ebpf-profiler.yaml", "OTLP_HTTP_ENDPOINT", "otlphttp/second"],
  ] as const) {
    it(`${file} sends to ${variable}`, async () => {
      const path = join(packageRoot(), "config", file);
      const endpoint = "https://profiles.example:1234";
      const { configuration } = await readFile(path, { [variable]: endpoint });
      const { config } = configuration.graph.exporters.get(id) as { config?: unknown };
      assert.equal((config as { endpoint: string }).endpoint, endpoint);
    });
  }
});

/** Where nobody listens: what cannot be sent must neither end the agent nor hold it up. */
const NOWHERE = {
  OTLP_ENDPOINT: "127.0.0.1:1",
  OTLP_GRPC_ENDPOINT: "127.0.0.1:1",
  OTLP_HTTP_ENDPOINT: "http://127.0.0.1:1",
  PYROSCOPE_ENDPOINT: "http://127.0.0.1:1",
};

describe("the files of config/, run", { skip: requirement("root", "bpf") }, () => {
  for (const file of files) {
    it(`${file} starts and stops, whether anybody takes what it sends or not`, async () => {
      using folder = temporaryFolder();
      const flags = ["--set", "service.telemetry.metrics.level=none", GATE];
      const args = ["run", "--config", join(packageRoot(), file), ...flags];
      const env = { ...process.env, ...NOWHERE };
      await using agent = await startObsforge(args, { cwd: folder.path, env });
      for (let tries = 0; tries < 200 && !/running/.test(agent.stderr()); tries++) {
        await sleep(50);
      }
      await sleep(500);
      agent.signal("SIGTERM");
      const { code, stderr } = await agent.ended;
      assert.equal(code, 0, stderr);
      assert.match(stderr, / INFO stopped/);
    });
  }
});

type Outcome = "accepted" | "warned" | "refused";

/**
 * Every key of OpenTelemetry's own eBPF receiver, with its default there, and with a value that
 * asks for something else. What that comes to must be said by exactly one sentence.
 */
const keys: readonly { yaml: string; other: string; outcome: Outcome }[] = [
  { yaml: "reporter_interval: 5s", other: "reporter_interval: 10s", outcome: "accepted" },
  { yaml: "reporter_jitter: 0.2", other: "reporter_jitter: 0", outcome: "accepted" },
  { yaml: "monitor_interval: 5s", other: "monitor_interval: 10s", outcome: "warned" },
  { yaml: "samples_per_second: 20", other: "samples_per_second: 97", outcome: "accepted" },
  // Its default depends on the version: any value is a wish.
  { yaml: "frame_cache_size:", other: "frame_cache_size: 65536", outcome: "warned" },
  { yaml: "probabilistic_interval: 1m", other: "probabilistic_interval: 2m", outcome: "warned" },
  {
    yaml: "probabilistic_threshold: 100",
    other: "probabilistic_threshold: 50",
    outcome: "refused",
  },
  {
    yaml: "interpreters:",
    other: "interpreters: { python: { disabled: true }, go: { labels: { disabled: true } } }",
    outcome: "warned",
  },
  { yaml: "clock_sync_interval: 3m", other: "clock_sync_interval: 1m", outcome: "warned" },
  { yaml: "send_error_frames: false", other: "send_error_frames: true", outcome: "warned" },
  { yaml: "send_idle_frames: false", other: "send_idle_frames: true", outcome: "refused" },
  { yaml: "filter_min_process_age: 0s", other: "filter_min_process_age: 1s", outcome: "refused" },
  { yaml: "verbose_mode: false", other: "verbose_mode: true", outcome: "warned" },
  { yaml: "off_cpu_threshold: 0", other: "off_cpu_threshold: 0.5", outcome: "refused" },
  { yaml: 'include_env_vars: ""', other: "include_env_vars: HOME,USER", outcome: "refused" },
  { yaml: "map_scale_factor: 0", other: "map_scale_factor: 8", outcome: "warned" },
  { yaml: "bpf_verifier_log_level: 0", other: "bpf_verifier_log_level: 2", outcome: "warned" },
  {
    yaml: "no_kernel_version_check: false",
    other: "no_kernel_version_check: true",
    outcome: "accepted",
  },
  { yaml: "max_grpc_retries: 5", other: "max_grpc_retries: 1", outcome: "warned" },
  { yaml: "max_rpc_msg_size: 33554432", other: "max_rpc_msg_size: 1048576", outcome: "warned" },
  { yaml: "bpf_fs_root: /sys/fs/bpf/", other: "bpf_fs_root: /run/bpf/", outcome: "warned" },
  { yaml: "error_mode: propagate", other: "error_mode: ignore", outcome: "accepted" },
  { yaml: "obi_process_ctx: false", other: "obi_process_ctx: true", outcome: "refused" },
  {
    yaml: "pid_namespace_translation: false",
    other: "pid_namespace_translation: true",
    outcome: "refused",
  },
  { yaml: "pin_cpu_ids: []", other: "pin_cpu_ids: [0, 1]", outcome: "refused" },
  { yaml: "probes: []", other: "probes: [{ type: uprobe }]", outcome: "refused" },
];

const LINE_OF_KEY = 6;

/** A configuration with one key of the receiver, at LINE_OF_KEY. */
async function withKey(yaml: string): Promise<{ outcome: Outcome; sentences: string[] }> {
  const text = `exporters:
  debug:
receivers:
  profiling:
    # The key under test.
    ${yaml}
service:
  pipelines:
    profiles: { receivers: [profiling], exporters: [debug] }
`;
  const environment = new FakeEnvironment({ files: { "theirs.yaml": text } });
  const resolved = await resolveConfig({ configs: ["theirs.yaml"], sets: [] }, environment);
  let configuration: Configuration;
  try {
    configuration = readConfiguration(resolved.value, resolved, definitions);
  } catch (error) {
    assert.ok(isCollectorError(error, "CONFIG_INVALID"));
    return { outcome: "refused", sentences: error.message.split("\n") };
  }
  const sentences = [...environment.warnings, ...configuration.warnings];
  return { outcome: sentences.length === 0 ? "accepted" : "warned", sentences };
}

describe("a configuration of OpenTelemetry's eBPF profiler", () => {
  for (const { yaml, other, outcome: wanted } of keys) {
    const key = yaml.slice(0, yaml.indexOf(":"));

    it(`runs with ${yaml}`, async () => {
      assert.deepEqual(await withKey(yaml), { outcome: "accepted", sentences: [] });
    });

    it(`is ${wanted} with ${other}`, async () => {
      const { outcome, sentences } = await withKey(other);
      assert.equal(outcome, wanted, sentences.join("\n"));
      assert.equal(sentences.length, wanted === "accepted" ? 0 : 1, sentences.join("\n"));
      const place = `theirs.yaml:${LINE_OF_KEY}: receivers::profiling::${key} `;
      for (const sentence of sentences) assert.ok(sentence.startsWith(place), sentence);
    });
  }

  it("knows every key of the receiver that is not ours", () => {
    const ours = [
      "pids",
      "timestamps",
      "cpu_limit",
      "ring_bytes",
      "unwind_table_bytes",
      "unwind_cache_directory",
    ];
    const known = Object.keys(definitions.find("receiver", "profiling")?.config.info.fields ?? {});
    const tried = keys.map(({ yaml }) => yaml.slice(0, yaml.indexOf(":")));
    assert.deepEqual(known.filter((key) => !ours.includes(key)).sort(), tried.sort());
  });
});
