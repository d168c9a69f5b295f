// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the syntax under test
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { PlainValue } from "./node.ts";
import { type ResolvedConfig, resolveConfig } from "./resolve.ts";
import { FakeEnvironment } from "./testing/fake-environment.ts";

interface Given {
  readonly files?: Record<string, string>;
  readonly variables?: Record<string, string>;
  readonly urls?: Record<string, string>;
  readonly configs?: readonly string[];
  readonly sets?: readonly string[];
}

/** Resolves; without `configs` the file "c.yaml" is the configuration. */
function resolve(given: Given, environment = new FakeEnvironment(given)): Promise<ResolvedConfig> {
  const { configs = ["c.yaml"], sets = [] } = given;
  return resolveConfig({ configs, sets }, environment);
}

async function resolvedValue(given: Given): Promise<unknown> {
  return structuredClone((await resolve(given)).value);
}

/** The value of `key: <yaml>` with these variables. */
async function expanded(yaml: string, variables: Record<string, string> = {}): Promise<unknown> {
  const { key } = (await resolvedValue({ files: { "c.yaml": `key: ${yaml}` }, variables })) as {
    key: PlainValue;
  };
  return key;
}

describe("configuration sources", () => {
  it("are laid on one another, --set last", async () => {
    const files = {
      "base.yaml": "exporters:\n  pprof: {directory: a, files: [1, 2]}\n  debug:\n",
      "over.yaml": "exporters:\n  pprof: {files: [3]}\n  debug: {verbosity: detailed}\n",
    };
    const configs = ["base.yaml", "file:over.yaml"];
    const sets = ["exporters.pprof.directory=b", "exporters.pprof.rotate={age: 5}"];
    assert.deepEqual(await resolvedValue({ files, configs, sets }), {
      exporters: {
        pprof: { directory: "b", files: [3], rotate: { age: 5 } },
        debug: { verbosity: "detailed" },
      },
    });
  });

  it("may be a variable, YAML on the command line, or a URL", async () => {
    const given = {
      variables: { CONFIG: "a: 1\nb: 1\nc: 1" },
      urls: { "https://host/c": "b: 2\nc: 2\n" },
      configs: ["env:CONFIG", "https://host/c", "yaml:c: 3", "yaml:d::e: 2s"],
    };
    assert.deepEqual(await resolvedValue(given), { a: 1, b: 2, c: 3, d: { e: "2s" } });
  });

  it("keep a null body, and let null take a section away", async () => {
    const files = { "c.yaml": "receivers:\n  otlp:\nexporters: {debug: {}}\n" };
    const given = { files, configs: ["c.yaml", "yaml:exporters: null"], sets: ["a.b="] };
    const expected = { receivers: { otlp: null }, exporters: null, a: { b: null } };
    assert.deepEqual(await resolvedValue(given), expected);
  });

  it("may be empty", async () => {
    assert.deepEqual(await resolvedValue({ files: { "c.yaml": "# nothing yet\n" } }), {});
  });

  it("give objects without a prototype [S16]", async () => {
    const { value } = await resolve({ files: { "c.yaml": "a: {b: 1}" } });
    assert.equal(Object.getPrototypeOf(value), null);
    assert.equal(Object.getPrototypeOf(value["a"]), null);
    assert.equal(value["toString"], undefined);
  });
});

describe("places", () => {
  it("are known for every value and for what is not there", async () => {
    const files = {
      "c.yaml": "a:\n  b:\n    - x: 1\n    - 2\nuse: ${file:d.yaml}\nbase: &b\n  k: 1\ncopy: *b\n",
      "d.yaml": "k:\n  l: [1]\n",
    };
    const given = {
      files,
      variables: { ONE: "v: 1", MORE: "\nw:\n  x: 1" },
      configs: ["c.yaml", "env:ONE", "env:MORE", "yaml:y::z: 1"],
      sets: ["a.c=5"],
    };
    const { where } = await bound(given);
    assert.equal(where([]), "c.yaml");
    assert.equal(where(["missing"]), "c.yaml");
    assert.equal(where(["a"]), "c.yaml:1");
    assert.equal(where(["a", "b", 0, "x"]), "c.yaml:3");
    assert.equal(where(["a", "b", 1]), "c.yaml:4");
    assert.equal(where(["a", "b", 9, "deep"]), "c.yaml:2");
    assert.equal(where(["a", "c"]), "--set a.c");
    assert.equal(where(["use", "k", "l", 0]), "c.yaml:5");
    assert.equal(where(["copy"]), "c.yaml:8");
    assert.equal(where(["copy", "k"]), "c.yaml:7");
    assert.equal(where(["v"]), "env:ONE");
    assert.equal(where(["w", "x"]), "env:MORE:3");
    assert.equal(where(["y", "z"]), "yaml:y::z");
  });

  it("come with the text as it was written", async () => {
    const files = {
      "c.yaml":
        'a: 0123\nb: "0x1f"\nc: true\nd:\ne: ${N}\nf: ${UNSET}\ng: x${N}\nh: [1e3]\ni: ${L}',
    };
    const { originalText } = await bound({ files, variables: { N: "007", L: "[a, 1]" } });
    assert.equal(originalText(["a"]), "0123");
    assert.equal(originalText(["b"]), "0x1f");
    assert.equal(originalText(["c"]), "true");
    assert.equal(originalText(["d"]), undefined);
    assert.equal(originalText(["e"]), "007");
    assert.equal(originalText(["f"]), "");
    assert.equal(originalText(["g"]), "x007");
    assert.equal(originalText(["h"]), undefined);
    assert.equal(originalText(["h", 0]), "1e3");
    assert.equal(originalText(["i"]), "[a, 1]");
    assert.equal(originalText(["a", "b"]), undefined);
  });
});

async function bound(given: Given): Promise<Pick<ResolvedConfig, "where" | "originalText">> {
  const config = await resolve(given);
  return {
    where: (path) => config.where(path),
    originalText: (path) => config.originalText(path),
  };
}

interface Expansion {
  readonly yaml: string;
  readonly variables?: Record<string, string>;
  readonly value: unknown;
}

const expansions: readonly Expansion[] = [
  { yaml: "${env:A}", variables: { A: "text" }, value: "text" },
  { yaml: "${A}", variables: { A: "5" }, value: 5 },
  { yaml: '"${A}"', variables: { A: "true" }, value: true },
  { yaml: "${A}", variables: { A: "[1, {b: x}]" }, value: [1, { b: "x" }] },
  { yaml: "${A}", variables: { A: '"0123"' }, value: '"0123"' },
  { yaml: "${A}", variables: { A: "a: b: c" }, value: "a: b: c" },
  { yaml: "${A}", variables: { A: '["a",' }, value: '["a",' },
  { yaml: "${A}", variables: { A: "" }, value: null },
  { yaml: "${env:A:-}", value: "" },
  { yaml: "${env:A:-5s}", value: "5s" },
  { yaml: "${A:-5}", value: 5 },
  { yaml: "${A:-5}", variables: { A: "6" }, value: 6 },
  { yaml: "${A:-${B}}", variables: { B: "b" }, value: "b" },
  { yaml: "${A:-a:-b}", value: "a:-b" },
  { yaml: "x ${A} y ${B}", variables: { A: "0123", B: "{q: 1}" }, value: "x 0123 y {q: 1}" },
  { yaml: "x${UNSET}y", value: "xy" },
  { yaml: "${env:A_${env:B}}", variables: { B: "Q", A_Q: "7" }, value: 7 },
  { yaml: "${A}", variables: { A: "${B}", B: "${C}", C: "3" }, value: 3 },
  { yaml: "x${A}", variables: { A: "y${B}", B: "z" }, value: "xyz" },
  { yaml: "${yaml:[1, 2]}", value: [1, 2] },
  { yaml: "$$", value: "$" },
  { yaml: "a$b$", value: "a$b$" },
  { yaml: "$${A}", variables: { A: "no" }, value: "${A}" },
  { yaml: "$$${A}", variables: { A: "a" }, value: "$a" },
  { yaml: "$${A} ${A}", variables: { A: "a" }, value: "${A} a" },
  { yaml: "${A}", variables: { A: "$$B" }, value: "$B" },
  { yaml: "${A}", variables: { A: "'$${B}'" }, value: "'${B}'" },
  { yaml: "{k: '${A}'}", variables: { A: "1" }, value: { k: 1 } },
  { yaml: "{'${A}': 1}", variables: { A: "1" }, value: { "${A}": 1 } },
];

describe("references", () => {
  for (const { yaml, variables = {}, value } of expansions) {
    it(`${yaml} with ${JSON.stringify(variables)}`, async () => {
      assert.deepEqual(await expanded(yaml, variables), value);
    });
  }

  it("read files, without the line end of a secret", async () => {
    const files = { "c.yaml": "a: ${file:token}\nb: ${file:part.yaml}", token: "s3cret\n" };
    const given = { files: { ...files, "part.yaml": "c: ${N}\nd:\n" }, variables: { N: "1" } };
    assert.deepEqual(await resolvedValue(given), { a: "s3cret", b: { c: 1, d: null } });
  });

  it("read URLs", async () => {
    const files = { "c.yaml": "a: ${https://host/path:8?q}" };
    assert.deepEqual(await resolvedValue({ files, urls: { "https://host/path:8?q": "{b: 1}" } }), {
      a: { b: 1 },
    });
  });

  it("to an unset variable are null, with one warning a variable", async () => {
    const environment = new FakeEnvironment({
      files: { "c.yaml": "a: ${env:U}\nb: x${U}\nc: ${V:-d}" },
    });
    const { value } = await resolve({}, environment);
    assert.deepEqual(structuredClone(value), { a: null, b: "x", c: "d" });
    assert.deepEqual(environment.warnings, [
      "c.yaml:1: the variable U is not set; set it, or write ${env:U:-default}",
    ]);
  });

  it("to a file that is no YAML are text, with a warning when it has several lines", async () => {
    const environment = new FakeEnvironment({
      files: { "c.yaml": "a: ${file:bad.yaml}", "bad.yaml": "a: [\nb: 1\n" },
    });
    const { value } = await resolve({}, environment);
    assert.equal(value["a"], "a: [\nb: 1");
    assert.match(environment.warnings[0] ?? "", /^c\.yaml:1: bad\.yaml:2: .*taken as text/);
  });

  it("leave any text whose every $ was doubled", async () => {
    const hostile = fc.string({ unit: fc.constantFrom("$", "{", "}", "A", ":", "-", "\n", "'") });
    await fc.assert(
      fc.asyncProperty(hostile, async (text) => {
        const yaml = JSON.stringify(text.replaceAll("$", "$$$$"));
        assert.equal(await expanded(yaml, { A: "a" }), text);
      }),
    );
  });

  it("may be many, as long as one value has few", async () => {
    const yaml = Array.from({ length: 3000 }, (_, i) => `k${i}: \${A}`).join("\n");
    const { value } = await resolve({ files: { "c.yaml": yaml }, variables: { A: "1" } });
    assert.equal(value["k2999"], 1);
  });
});
