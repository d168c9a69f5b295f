import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { decodePprof } from "../../src/profiles/pprof/decode.ts";
import { sleep } from "../../src/support/clock.ts";
import { FILE_LIMITS } from "../../src/support/limits.ts";
import { packageRoot } from "../../src/support/package-root.ts";
import { totalOf } from "../support/receiver-run.ts";
import { requirement } from "../support/requirements.ts";
import {
  type RunningCommand,
  runObsforge,
  startCommand,
  startObsforge,
} from "../support/run-command.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const AGENT = join(packageRoot(), "config/agent.yaml");
const NO_METRICS = ["--set", "service.telemetry.metrics.level=none"];

/** Without a receiver that needs rights: a pipeline that only waits. */
const QUIET = `
receivers: { ebpf: { error_mode: ignore } }
exporters: { debug: }
service:
  telemetry: { metrics: { level: none } }
  pipelines: { profiles: { receivers: [ebpf], exporters: [debug] } }
`;

async function untilRunning(command: RunningCommand): Promise<void> {
  for (let tries = 0; tries < 200 && !/running/.test(command.stderr()); tries++) await sleep(100);
  assert.match(command.stderr(), /running/);
}

describe("obsforge run", { skip: requirement("root", "bpf") }, () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it(`writes the last file at ${signal}, within 2 seconds, and ends with 0 [R15]`, async () => {
      using folder = temporaryFolder();
      await using busy = await startCommand("sh", ["-c", "while :; do :; done"]);
      const args = ["run", "--config", AGENT, ...NO_METRICS];
      await using agent = await startObsforge(args, { cwd: folder.path });
      await untilRunning(agent);
      await sleep(1500);
      const start = performance.now();
      agent.signal(signal);
      const { code, stderr } = await agent.ended;
      assert.ok(performance.now() - start < 2000, `${performance.now() - start} ms`);
      assert.equal(code, 0, stderr);
      const files = readdirSync(folder.file("profiles"));
      assert.equal(files.length, 1, files.join());
      const bytes = readFileSync(join(folder.path, "profiles", files[0] as string));
      const total = totalOf(decodePprof(bytes, FILE_LIMITS));
      assert.ok(total > 0);
      assert.match(
        stderr,
        / INFO profile written exporter=pprof path=\S+ samples=\d+ processes=\d+ lost=0 unnamed/,
      );
      assert.ok(busy.pid > 0);
    });
  }

  it("writes one file for each interval", async () => {
    using folder = temporaryFolder();
    await using busy = await startCommand("sh", ["-c", "while :; do :; done"]);
    const interval = ["--set", "receivers.profiling.reporter_interval=1s"];
    const args = ["run", "--config", AGENT, ...NO_METRICS, ...interval];
    await using agent = await startObsforge(args, { cwd: folder.path });
    await untilRunning(agent);
    await sleep(4500);
    agent.signal("SIGTERM");
    const { stderr } = await agent.ended;
    const files = readdirSync(folder.file("profiles"));
    assert.ok(files.length >= 3 && files.length <= 6, files.join());
    assert.ok(files.every((file) => file.endsWith(".pb.gz")));
    assert.equal(stderr.match(/profile written/g)?.length, files.length);
    assert.ok(busy.pid > 0);
  });
});

describe("obsforge run without a receiver", () => {
  it("ends at once at a second signal", async () => {
    await using agent = await startObsforge(["run", "--config", `yaml:${QUIET}`]);
    await untilRunning(agent);
    agent.signal("SIGTERM");
    const { code } = await agent.ended;
    assert.equal(code, 0);
  });

  it("logs JSON with otelcol's keys, to a file and with fields of the user", async () => {
    using folder = temporaryFolder();
    const log = folder.file("agent.log");
    const fields = "initial_fields: { site: a }";
    const logs = `{ encoding: json, level: DEBUG, output_paths: ["${log}"], ${fields} }`;
    const args = ["run", "--config", `yaml:${QUIET}`, "--set", `service.telemetry.logs=${logs}`];
    await using agent = await startObsforge(args);
    for (let tries = 0; tries < 100; tries++) {
      await sleep(100);
      if (readText(log).includes("running")) break;
    }
    agent.signal("SIGTERM");
    const { code, stderr } = await agent.ended;
    assert.equal(code, 0);
    assert.equal(stderr, "");
    const records = readText(log)
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const running = records.find(({ msg }) => msg === "running");
    assert.deepEqual(Object.keys(running ?? {}).slice(0, 4), ["level", "ts", "msg", "site"]);
    assert.equal(running?.["level"], "info");
  });
});

describe("a configuration on the command line", () => {
  const mistakes: readonly { name: string; args: string[]; says: RegExp }[] = [
    {
      name: "a file that there is not",
      args: ["run", "--config", "/nowhere/agent.yaml"],
      says: /^obsforge: .*\/nowhere\/agent\.yaml.*\n$/,
    },
    {
      name: "no file",
      args: ["run"],
      says: /^obsforge: --config: none is given; name the configuration's file\n$/,
    },
    {
      name: "a wrong value of --set",
      args: ["validate", "--config", AGENT, "--set", "receivers.profiling.samples_per_second=no"],
      says: /^obsforge: --set .*_second must be a whole number from 1 to 10000, not "no"\n$/,
    },
    {
      name: "a gate that cannot be turned off",
      args: ["run", "--config", AGENT, "--feature-gates=-service.profilesSupport"],
      says: /^obsforge: --feature-gates: service\.profilesSupport cannot be turned off\n$/,
    },
    {
      name: "an option that only the component can judge",
      args: ["validate", "--config", AGENT, "--set", "exporters.pprof.file_name=same.pb.gz"],
      says: /^obsforge: \S+agent\.yaml:\d+: exporters::pprof: file_name must have .*\n$/,
    },
    {
      name: "a component that cannot be loaded",
      args: ["validate", "--config", AGENT, "--component", "./none.ts"],
      says: /^obsforge: --component \.\/none\.ts cannot be loaded: .*\n$/,
    },
  ];
  for (const { name, args, says } of mistakes) {
    it(`says of ${name} one sentence and ends with 2`, async () => {
      const { code, stderr } = await runObsforge(args);
      assert.match(stderr, says);
      assert.equal(code, 2);
    });
  }

  it("is silent when it is right", async () => {
    const gate = "--feature-gates=+service.profilesSupport";
    const { code, stdout, stderr } = await runObsforge(["validate", "--config", AGENT, gate]);
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: "", stderr: "" });
  });

  it("prints what several sources come to, without secrets [S14]", async () => {
    using folder = temporaryFolder();
    const more = folder.file("more.yaml");
    writeFileSync(
      more,
      `exporters:
  otlp_http: { endpoint: "http://localhost:4318", headers: { authorization: canary-1 } }
service: { pipelines: { profiles: { exporters: [otlp_http] } } }\n`,
    );
    const args = ["print-config", "--config", AGENT, "--config", more];
    const set = ["--set", "exporters.otlp_http.headers.x-more=canary-2"];
    const shown = await runObsforge([...args, ...set, "--format", "json"]);
    assert.equal(shown.code, 0, shown.stderr);
    assert.doesNotMatch(shown.stdout, /canary/);
    const value = JSON.parse(shown.stdout);
    assert.deepEqual(value.service.pipelines.profiles.exporters, ["otlp_http"]);
    assert.deepEqual(value.service.pipelines.profiles.receivers, ["profiling"]);
    assert.equal(value.exporters.otlp_http.headers["x-more"], "[REDACTED]");
    const plain = await runObsforge([...args, ...set, "--mode", "unredacted"]);
    assert.match(plain.stdout, /x-more: canary-2/);
  });

  it("lists components and feature gates", async () => {
    const { stdout, code } = await runObsforge(["components"]);
    assert.equal(code, 0);
    for (const name of ["ebpf", "symbolize", "pprof", "otlp_grpc", "otlp_http", "forward"]) {
      assert.match(stdout, new RegExp(`- name: ${name}\n`));
    }
    const gates = await runObsforge(["featuregate"]);
    assert.match(gates.stdout, /^service\.profilesSupport +true +Stable/m);
    assert.equal((await runObsforge(["featuregate", "no.such"])).code, 2);
  });

  it("needs rights, and says which", { skip: requirement("root", "bpf") }, async () => {
    using folder = temporaryFolder();
    mkdirSync(folder.file("home"), { mode: 0o777 });
    const args = [
      "run",
      "--config",
      AGENT,
      ...NO_METRICS,
      "--set",
      "exporters.pprof.directory=/tmp",
    ];
    const nobody = { uid: 65_534, gid: 65_534, cwd: "/tmp" };
    const { code, stderr } = await runObsforge(args, nobody);
    assert.equal(code, 1);
    assert.match(stderr, /^obsforge: .*root/m);
  });
});

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
