// biome-ignore-all lint/suspicious/noTemplateCurlyInString: a configuration's own references
import assert from "node:assert/strict";
import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { configurationSchema, generatedFiles } from "../scripts/generate-docs.ts";
import { loadComponent } from "../src/cli/external-components.ts";
import { components } from "../src/components.ts";
import { resolveConfig } from "../src/config/resolve.ts";
import { FakeEnvironment } from "../src/config/testing/fake-environment.ts";
import { readConfiguration } from "../src/service/configuration.ts";
import { Definitions } from "../src/service/definitions.ts";
import { packageRoot } from "../src/support/package-root.ts";
import { schemaFaults } from "./support/json-schema.ts";

function read(path: string): string {
  return readFileSync(join(packageRoot(), path), "utf8");
}

describe("what the documentation says of the components", () => {
  const files = generatedFiles();

  it("is as the components are", () => {
    const stale = [...files].filter(([path, text]) => !isThere(path) || read(path) !== text);
    const paths = stale.map(([path]) => path).join(", ");
    assert.equal(stale.length, 0, `${paths}: run make docs`);
  });

  it("has no page of a component that is gone", () => {
    const pages = readdirSync(join(packageRoot(), "docs/components"));
    const gone = pages.filter((page) => !files.has(`docs/components/${page}`));
    assert.deepEqual(gone, [], "remove them");
  });

  it("leads to files that exist", () => {
    for (const path of globSync("{docs,src,config}/**/*.md", { cwd: packageRoot() })) {
      for (const [, target = ""] of read(path).matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
        assert.ok(isThere(join(dirname(path), target)), `${path} leads to ${target}`);
      }
    }
  });
});

function isThere(path: string): boolean {
  return existsSync(join(packageRoot(), path));
}

/** A right configuration, but for what is said of the receiver. */
const receiver = (options: object) => ({
  receivers: { profiling: options },
  exporters: { debug: null },
  service: { pipelines: { profiles: { receivers: ["profiling"], exporters: ["debug"] } } },
});
const exporter = (id: string, body: unknown) => ({
  ...receiver({}),
  exporters: { [id]: body },
  service: { pipelines: { profiles: { receivers: ["profiling"], exporters: [id] } } },
});
const service = (body: object) => ({ ...receiver({}), service: body });
const pipelines = { profiles: { receivers: ["profiling"], exporters: ["debug"] } };

const right: readonly { name: string; value: unknown }[] = [
  { name: "an old name with a name of its own", value: exporter("otlp/b", { endpoint: "a:1" }) },
  { name: "a variable for a number", value: receiver({ samples_per_second: "${env:HZ:-99}" }) },
  { name: "a variable for a section", value: exporter("debug", "${file:debug.yaml}") },
  { name: "a number for text", value: exporter("pprof", { directory: 2026 }) },
  { name: "durations", value: receiver({ reporter_interval: "1m30.5s", reporter_jitter: 0 }) },
  { name: "a refused key at its default", value: receiver({ off_cpu_threshold: 0 }) },
  { name: "a null for a default", value: receiver({ samples_per_second: null }) },
  { name: "a named pipeline", value: service({ pipelines: { "profiles/a": pipelines.profiles } }) },
  { name: "no telemetry", value: service({ telemetry: null, pipelines }) },
];

const wrong: readonly { name: string; value: unknown; fault: string }[] = [
  { name: "no service", value: { receivers: null }, fault: "/service is missing" },
  {
    name: "another top level",
    value: { ...receiver({}), exporter: {} },
    fault: "/exporter is not known",
  },
  {
    name: "an unknown component",
    value: exporter("otlp_grcp", {}),
    fault: "/exporters/otlp_grcp is not known",
  },
  {
    name: "a name without a slash",
    value: exporter("otlpx", { endpoint: "a" }),
    fault: "/exporters/otlpx is not known",
  },
  {
    name: "an unknown key",
    value: receiver({ hz: 1 }),
    fault: "/receivers/profiling/hz is not known",
  },
  {
    name: "an unknown key deep inside",
    value: exporter("otlp", { endpoint: "a", tls: { ca: 1 } }),
    fault: "/exporters/otlp/tls/ca is not known",
  },
  {
    name: "too much",
    value: receiver({ samples_per_second: 20_000 }),
    fault: "/receivers/profiling/samples_per_second is wrong",
  },
  {
    name: "half a sample",
    value: receiver({ samples_per_second: 1.5 }),
    fault: "/receivers/profiling/samples_per_second is wrong",
  },
  {
    name: "no duration",
    value: receiver({ reporter_interval: "5 s" }),
    fault: "/receivers/profiling/reporter_interval is wrong",
  },
  {
    name: "a duration without unit",
    value: receiver({ reporter_interval: 5 }),
    fault: "/receivers/profiling/reporter_interval is wrong",
  },
  {
    name: "another word",
    value: exporter("debug", { verbosity: "loud" }),
    fault: "/exporters/debug/verbosity is wrong",
  },
  {
    name: "text for a boolean",
    value: exporter("debug", { use_internal_logger: "no" }),
    fault: "/exporters/debug/use_internal_logger is wrong",
  },
  {
    name: "a key that is not set",
    value: exporter("otlp_grpc", {}),
    fault: "/exporters/otlp_grpc/endpoint is missing",
  },
  {
    name: "nothing where a key must be set",
    value: exporter("otlp_grpc", null),
    fault: "/exporters/otlp_grpc is wrong",
  },
  {
    name: "a list for a section",
    value: exporter("debug", []),
    fault: "/exporters/debug is wrong",
  },
  {
    name: "text for a list",
    value: receiver({ pids: "1" }),
    fault: "/receivers/profiling/pids is wrong",
  },
  {
    name: "a refused key",
    value: receiver({ off_cpu_threshold: 0.1 }),
    fault: "/receivers/profiling/off_cpu_threshold is wrong",
  },
  {
    name: "a pipeline of traces",
    value: service({ pipelines: { traces: pipelines.profiles } }),
    fault: "/service/pipelines/traces is not known",
  },
  { name: "no pipeline", value: service({ pipelines: {} }), fault: "/service/pipelines is wrong" },
];

async function readAsProgram(value: unknown): Promise<void> {
  const files = { "c.yaml": JSON.stringify(value), "debug.yaml": "verbosity: normal" };
  const environment = new FakeEnvironment({ files });
  const resolved = await resolveConfig({ configs: ["c.yaml"], sets: [] }, environment);
  readConfiguration(resolved.value, resolved, new Definitions(components));
}

/** The configurations that a page shows, whole or in part. */
function configurationsIn(page: string): unknown[] {
  const blocks = Array.from(
    read(page).matchAll(/^```yaml\n(.*?)^```$/gms),
    ([, text = ""]) => text,
  );
  const shown = blocks.map((text) => parse(text) as Record<string, unknown>);
  const sections = ["receivers", "processors", "exporters", "connectors", "service"];
  return shown.filter((one) => Object.keys(one).some((key) => sections.includes(key)));
}

describe("the configurations in the documentation", async () => {
  const example = await loadComponent(join(packageRoot(), "docs/examples/drop-processes.ts"));
  const schema = configurationSchema([example]);
  const pages = globSync(["README.md", "docs/**/*.md", "src/**/*.md"], { cwd: packageRoot() });

  for (const page of pages.filter((path) => configurationsIn(path).length > 0)) {
    it(`are right in ${page}`, () => {
      for (const shown of configurationsIn(page)) {
        const whole = { service: { pipelines }, ...(shown as object) };
        assert.deepEqual(schemaFaults(schema, whole), []);
      }
    });
  }
});

describe("docs/config.schema.json", () => {
  const schema = configurationSchema();

  for (const path of globSync("config/*.yaml", { cwd: packageRoot() })) {
    it(`takes ${path}`, () => assert.deepEqual(schemaFaults(schema, parse(read(path))), []));
  }
  for (const { name, value } of right) {
    it(`takes ${name}, as the program does`, async () => {
      assert.deepEqual(schemaFaults(schema, value), []);
      await readAsProgram(value);
    });
  }
  for (const { name, value, fault } of wrong) {
    it(`refuses ${name}, as the program does`, async () => {
      assert.deepEqual(schemaFaults(schema, value), [fault]);
      await assert.rejects(readAsProgram(value), { code: "CONFIG_INVALID" });
    });
  }
});
