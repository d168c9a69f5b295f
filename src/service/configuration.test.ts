import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { components } from "../components.ts";
import { resolveConfig } from "../config/resolve.ts";
import type { Secret } from "../config/secret.ts";
import { isCollectorError } from "../support/errors.ts";
import { type Configuration, readConfiguration } from "./configuration.ts";
import { Definitions } from "./definitions.ts";

const definitions = new Definitions(components);

async function read(text: string, variables: Record<string, string> = {}): Promise<Configuration> {
  const environment = {
    variables: { FREQUENCY: "7", PASSWORD: "0123", ...variables },
    readFile: async () => text,
    warn: () => {},
  };
  const resolved = await resolveConfig({ configs: ["agent.yaml"], sets: [] }, environment);
  return readConfiguration(resolved.value, resolved, definitions);
}

async function faultsOf(text: string): Promise<string[]> {
  try {
    await read(text);
  } catch (error) {
    assert.ok(isCollectorError(error, "CONFIG_INVALID"));
    return error.message.split("\n");
  }
  return [];
}

const SERVICE = `
service:
  pipelines:
    profiles: { receivers: [ebpf], exporters: [pprof] }`;

/** A right configuration, but for what is said of the receiver. */
function receiver(options: string): string {
  return `receivers:\n  ebpf:\n    ${options}\nexporters:\n  pprof:${SERVICE}\n`;
}

function exporter(text: string): string {
  return `receivers:\n  ebpf:\nexporters:\n  pprof:\n  ${text}${SERVICE}\n`;
}

function service(text: string): string {
  return `receivers:\n  ebpf:\nexporters:\n  pprof:\nservice:\n  ${text}\n`;
}

const broken: readonly { name: string; text: string; says: string }[] = [
  {
    name: "a key that no component knows",
    text: receiver("sample_rate: 99"),
    says:
      "agent.yaml:3: receivers::ebpf::sample_rate is no known key (did you mean " +
      "samples_per_second?)",
  },
  {
    name: "a number out of range",
    text: receiver("samples_per_second: 0"),
    says:
      "agent.yaml:3: receivers::ebpf::samples_per_second must be a whole number from 1 to " +
      "10000, not 0",
  },
  {
    name: "text for a number",
    text: receiver("samples_per_second: fast"),
    says:
      "agent.yaml:3: receivers::ebpf::samples_per_second must be a whole number from 1 to " +
      '10000, not "fast"',
  },
  {
    name: "a duration without a unit",
    text: receiver("reporter_interval: 10"),
    says:
      "agent.yaml:3: receivers::ebpf::reporter_interval must be a duration such as 5s or " +
      "1m30s from 100ms to 1h, not 10",
  },
  {
    name: "a word for yes or no",
    text: receiver("timestamps: maybe"),
    says: 'agent.yaml:3: receivers::ebpf::timestamps must be true or false, not "maybe"',
  },
  {
    name: "one of several words",
    text: receiver("error_mode: panic"),
    says:
      'agent.yaml:3: receivers::ebpf::error_mode must be one of "propagate", "ignore", not ' +
      '"panic"',
  },
  {
    name: "one value for a list",
    text: receiver("pids: 1"),
    says: "agent.yaml:3: receivers::ebpf::pids must be a list, not 1",
  },
  {
    name: "an element of a list",
    text: receiver("pids: [1, -2]"),
    says: "agent.yaml:3: receivers::ebpf::pids::1 must be a whole number from 1 to 4194304, not -2",
  },
  {
    name: "a key of OpenTelemetry's receiver that is not honoured",
    text: receiver("off_cpu_threshold: 0.1"),
    says:
      "agent.yaml:3: receivers::ebpf::off_cpu_threshold cannot be honoured: there is no " +
      "off-CPU profiling yet",
  },
  {
    name: "a list for a component",
    text: exporter("debug: [1]"),
    says: "agent.yaml:5: exporters::debug must be a map of keys to values, not a list",
  },
  {
    name: "a component that there is not",
    text: exporter("parca:"),
    says:
      'agent.yaml:5: exporters::parca: there is no exporter "parca" ' +
      `(did you mean pprof? There are ${definitions.namesOf("exporter").join(", ")})`,
  },
  {
    name: "a name that is no component's",
    text: exporter("debug/: {}"),
    says:
      "agent.yaml:5: exporters::debug/ is no exporter's name: its name after / must be text " +
      "without blanks or symbols",
  },
  {
    name: "an option that must be set",
    text: exporter("single_file:"),
    says: "agent.yaml:5: exporters::single_file::path must be set",
  },
  {
    name: "a section that there is not",
    text: `reciever:\n  ebpf:\n${receiver("timestamps: true")}`,
    says: "agent.yaml:1: reciever is no known key (did you mean receivers?)",
  },
  {
    name: "no service",
    text: "receivers:\n  ebpf:\n",
    says: "agent.yaml: service is missing: it says which pipelines run",
  },
  {
    name: "no pipeline",
    text: service("pipelines: {}"),
    says: "agent.yaml:6: service::pipelines has no pipeline: add `profiles:`",
  },
  {
    name: "a pipeline without an exporter",
    text: service("pipelines: { profiles: { receivers: [ebpf], exporters: [] } }"),
    says: "agent.yaml:6: service::pipelines::profiles::exporters must name at least 1",
  },
  {
    name: "a pipeline of another signal",
    text: service("pipelines: { traces: { receivers: [ebpf], exporters: [pprof] } }"),
    says:
      "agent.yaml:6: service::pipelines::traces cannot run: this program carries profiles " +
      "only: leave traces to the Collector",
  },
  {
    name: "a reference to nothing",
    text: service("pipelines: { profiles: { receivers: [epbf], exporters: [pprof] } }"),
    says:
      'agent.yaml:6: service::pipelines::profiles::receivers names "epbf", which is not under ' +
      "receivers (did you mean ebpf?)",
  },
  {
    name: "a reference to an empty section",
    text: service(
      "pipelines: { profiles: { receivers: [ebpf], processors: [batch], exporters: [pprof] } }",
    ),
    says:
      'agent.yaml:6: service::pipelines::profiles::processors names "batch", which is not ' +
      "under processors (there are none)",
  },
  {
    name: "the same processor twice",
    text: `processors:\n  symbolize:\n${service(
      "pipelines: { profiles: { receivers: [ebpf], processors: [symbolize, symbolize], " +
        "exporters: [pprof] } }",
    )}`,
    says: 'agent.yaml:8: service::pipelines::profiles::processors names "symbolize" twice',
  },
  {
    name: "pipelines in a circle",
    text: `connectors:\n  forward:\n${service(
      "pipelines: { profiles: { receivers: [ebpf, forward], exporters: [forward] } }",
    )}`,
    says: "agent.yaml:8: the pipelines run in a circle: profiles → forward → profiles",
  },
  {
    name: "a connector that ends nowhere",
    text: `connectors:\n  forward:\n${service(
      "pipelines: { profiles: { receivers: [ebpf], exporters: [forward] } }",
    )}`,
    says:
      "agent.yaml:2: connectors::forward must also stand among the receivers of another " +
      "pipeline",
  },
  {
    name: "an extension that is not configured",
    text: `${receiver("timestamps: true")}  extensions: [health_check]\n`,
    says:
      'agent.yaml:9: service::extensions names "health_check", which is not under extensions ' +
      "(there are none)",
  },
  {
    name: "a log level that there is not",
    text: `${receiver("timestamps: true")}  telemetry: { logs: { level: loud } }\n`,
    says:
      'agent.yaml:9: service::telemetry::logs::level must be one of "debug", "info", "warn", ' +
      '"error", not "loud"',
  },
];

describe("a broken configuration", () => {
  for (const { name, text, says } of broken) {
    it(`says of ${name} what it is and where`, async () => {
      assert.deepEqual(await faultsOf(text), [says]);
    });
  }

  it("says of an unknown component nothing else, though a pipeline names it", async () => {
    const text = exporter("parca:").replace("exporters: [pprof]", "exporters: [pprof, parca]");
    assert.equal((await faultsOf(text)).length, 1);
  });

  it("says of another signal's pipeline so, whatever it holds", async () => {
    const faults = await faultsOf(service("pipelines: { traces: { receivers: [] } }"));
    assert.match(faults[0] ?? "", /carries profiles only: leave traces to the Collector/);
  });

  it("says all faults at once", async () => {
    const faults = await faultsOf(receiver("samples_per_second: 0\n    pids: x\n    typo: 1"));
    assert.equal(faults.length, 3);
  });
});

describe("a right configuration", () => {
  it("takes null for all defaults, and values of variables", async () => {
    const { graph } = await read(receiver(`samples_per_second: $${"{env:FREQUENCY}"}`));
    const config = graph.receivers.get("ebpf")?.config as { samples_per_second: number };
    assert.equal(config.samples_per_second, 7);
    assert.deepEqual([...graph.pipelines.keys()], ["profiles"]);
  });

  it("takes an unset variable for empty text, and a password as it was written", async () => {
    const text = `
receivers: { ebpf: }
exporters:
  otlp_http: { endpoint: "http://localhost:4318", headers: { x-a: "$${"{env:PASSWORD}"}" } }
  pprof: { directory: "$${"{env:UNSET}"}" }
service: { pipelines: { profiles: { receivers: [ebpf], exporters: [otlp_http, pprof] } } }`;
    const { graph } = await read(text);
    const http = graph.exporters.get("otlp_http")?.config as { headers: Map<string, Secret> };
    assert.equal(http.headers.get("x-a")?.reveal(), "0123");
    const files = graph.exporters.get("pprof")?.config as { directory: string };
    assert.equal(files.directory, "");
  });

  for (const password of [
    "#S3cret!",
    "null",
    "~",
    "[x]",
    "{a: b}",
    "key: value",
    "- a",
    "*x",
    "!x",
    "a: 1\na: 2",
    "{__proto__: 1}",
    "0x10",
    "1_000",
    "'quoted'",
    "$5 & $$",
    "[$$]",
  ]) {
    it(`takes the password ${JSON.stringify(password)} of a variable for what it is`, async () => {
      const text = `
receivers: { ebpf: }
exporters:
  otlp_http: { endpoint: "http://localhost:4318", headers: { x-a: "$${"{env:PASSWORD}"}" } }
service: { pipelines: { profiles: { receivers: [ebpf], exporters: [otlp_http] } } }`;
      const { graph } = await read(text, { PASSWORD: password });
      const http = graph.exporters.get("otlp_http")?.config as { headers: Map<string, Secret> };
      // The Collector expands `$$` in a variable too.
      assert.equal(http.headers.get("x-a")?.reveal(), password.replaceAll("$$", "$"));
    });
  }

  it("takes headers as pairs, as the Collector prints them", async () => {
    const pairs = "[{ name: x-a, value: 1 }, { name: x-b, value: two }]";
    const { graph } = await read(
      exporter(`otlp_http: { endpoint: "http://a:1", headers: ${pairs} }`),
    );
    const config = graph.exporters.get("otlp_http")?.config as { headers: Map<string, Secret> };
    assert.deepEqual(
      [...config.headers].map(([name, value]) => [name, value.reveal()]),
      [
        ["x-a", "1"],
        ["x-b", "two"],
      ],
    );
    const wrong = "[{ name: x-a }, { name: x-a, value: b }, canary]";
    assert.deepEqual(
      await faultsOf(exporter(`otlp_http: { endpoint: "http://a:1", headers: ${wrong} }`)),
      [
        "agent.yaml:5: exporters::otlp_http::headers::1 has the name of one before it",
        "agent.yaml:5: exporters::otlp_http::headers::2 must be a map with name and value",
      ],
    );
  });

  it("shows no text where a map is wanted, for it may be a secret [S14]", async () => {
    const faults = await faultsOf(
      exporter('otlp_http: { endpoint: "http://a:1", headers: "Authorization: canary" }'),
    );
    assert.deepEqual(faults, [
      "agent.yaml:5: exporters::otlp_http::headers must be a map of keys to values, not text",
    ]);
  });

  it("takes older names and two of a kind", async () => {
    const text = `
receivers: { profiling: , profiling/second: { samples_per_second: 7 } }
exporters: { otlp: { endpoint: "localhost:4317" }, otlphttp/b: { endpoint: "http://a:4318" } }
service:
  pipelines:
    profiles: { receivers: [profiling, profiling/second], exporters: [otlp, otlphttp/b] }`;
    const { graph } = await read(text);
    assert.equal(graph.receivers.get("profiling/second")?.definition.type, "ebpf");
    assert.equal(graph.exporters.get("otlp")?.definition.type, "otlp_grpc");
    assert.equal(graph.exporters.get("otlphttp/b")?.definition.type, "otlp_http");
  });

  it("warns of what has no effect, and of what no pipeline uses", async () => {
    const { warnings } = await read(
      `receivers:\n  ebpf: { verbose_mode: true }\nexporters:\n  pprof:\n  debug:${SERVICE}\n`,
    );
    assert.deepEqual(warnings, [
      "agent.yaml:2: receivers::ebpf::verbose_mode has no effect: use " +
        "service::telemetry::logs::level: debug",
      "agent.yaml:5: exporters::debug is configured and used by no pipeline",
    ]);
  });

  it("takes a default for one, however it is written", async () => {
    const { warnings } = await read(
      receiver("clock_sync_interval: 180s\n    filter_min_process_age: 0"),
    );
    assert.deepEqual(warnings, []);
  });

  it("turns a section on that is written and empty", async () => {
    const readers = "[{ pull: { exporter: { prometheus: } } }]";
    const { service: checked } = await read(
      `${receiver("timestamps: true")}  telemetry: { metrics: { readers: ${readers} } }\n`,
    );
    const [first] = checked.telemetry.metrics.readers;
    assert.equal(first?.pull?.exporter.prometheus?.port, 8888);
  });

  it("takes keys of the language for what they are [S16]", async () => {
    const faults = await faultsOf(receiver("__proto__: { samples_per_second: 5 }"));
    assert.match(faults[0] ?? "", /agent.yaml:3: "__proto__" is not allowed as a key/);
    assert.equal(({} as { samples_per_second?: number }).samples_per_second, undefined);
  });
});
