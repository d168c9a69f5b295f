// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the syntax under test
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isCollectorError, messageOf } from "../support/errors.ts";
import { resolveConfig } from "./resolve.ts";
import { FakeEnvironment } from "./testing/fake-environment.ts";

interface Refusal {
  readonly name: string;
  /** Of the file "c.yaml". */
  readonly yaml?: string;
  readonly files?: Record<string, string>;
  readonly variables?: Record<string, string>;
  readonly configs?: readonly string[];
  readonly sets?: readonly string[];
  /** The whole message. */
  readonly says: string;
}

async function refusalOf(given: Omit<Refusal, "name" | "says">): Promise<string> {
  const { yaml = "", files, variables = {}, configs = ["c.yaml"], sets = [] } = given;
  const environment = new FakeEnvironment({ files: { "c.yaml": yaml, ...files }, variables });
  try {
    await resolveConfig({ configs, sets }, environment);
  } catch (error) {
    assert.ok(isCollectorError(error, "CONFIG_INVALID"), messageOf(error));
    return error.message;
  }
  return "nothing was refused";
}

const sourceRefusals: readonly Refusal[] = [
  {
    name: "no configuration",
    configs: [],
    says: "--config: none is given; name the configuration's file",
  },
  { name: "a file that is not there", configs: ["x.yaml"], says: "x.yaml: there is no such file" },
  {
    name: "an unset variable",
    configs: ["env:X"],
    says: "env:X: the variable is not set; put the YAML in it",
  },
  {
    name: "a variable's name",
    configs: ["env:1x"],
    says: 'env:1x: "1x" cannot be a variable\'s name: letters, digits and _ only, no digit first',
  },
  {
    name: "a scheme",
    configs: ["s3:bucket"],
    says:
      '--config s3:bucket: the scheme "s3" is not one of env, file, yaml, http, https; ' +
      "a file with a colon is file:s3:bucket",
  },
  {
    name: "an URL that fails, without its password",
    configs: ["https://me:pw@host/c?token=1"],
    says: "https://host/c: the server answered 404",
  },
  {
    name: "a list",
    yaml: "- a\n",
    says: "c.yaml: must be a map of sections (receivers:, service: …), not a list",
  },
  {
    name: "a text, without printing it",
    configs: ["yaml:s3cret"],
    says: "yaml:…: must be a map of sections (receivers:, service: …), not a single value",
  },
  { name: "--set without =", sets: ["a.b"], says: "--set: write it as --set=key.key=value" },
  {
    name: "--set with an empty key",
    sets: ["a..b=1"],
    says: '--set a..b: the path "a..b" has an empty key',
  },
  {
    name: "--set with a broken value",
    sets: ["a=[1"],
    says: "--set a: column 3: a quote, bracket, comma, colon or space is missing",
  },
];

const yamlRefusals: readonly Refusal[] = [
  {
    name: "a tab",
    yaml: "a:\n\tb: 1\n",
    says: "c.yaml:2: column 1: a tab indents; YAML is indented with spaces",
  },
  {
    name: "a second key on a line",
    yaml: "a: b: c\n",
    says: 'c.yaml:1: column 4: a second key on one line; put text that has ": " in quotes',
  },
  {
    name: "a reference in a flow list",
    yaml: "x: 1\na: [b, ${C}]\n",
    says:
      "c.yaml:2: column 9: a quote, bracket, comma, colon or space is missing; " +
      'inside [ ] and { } a reference must be in quotes: "${…}"',
  },
  {
    name: "a second document",
    yaml: "a: 1\n---\nb: 2\n",
    says:
      "c.yaml:2: column 1: a second document starts; a configuration is one document, " +
      "so remove the ---",
  },
  {
    name: "a repeated key",
    yaml: "a:\n  b: 1\n  c: 2\n  b: 3\n",
    says: 'c.yaml:4: the key "b" stands on line 2 and on line 4; keep one',
  },
  {
    name: "a repeated key on one line",
    yaml: "{a: 1, 'a': 2}\n",
    says: 'c.yaml:1: the key "a" stands twice on line 1; keep one',
  },
  {
    name: "__proto__ [S16]",
    yaml: "a:\n  __proto__: {b: 1}\n",
    says: 'c.yaml:2: "__proto__" is not allowed as a key',
  },
  {
    name: "constructor [S16]",
    yaml: '"constructor": 1\n',
    says: 'c.yaml:1: "constructor" is not allowed as a key',
  },
  {
    name: "a key without text",
    yaml: "? [a]\n: b\n",
    says: "c.yaml:1: a key must be text; put it in quotes",
  },
  {
    name: "a tag",
    yaml: "a: !env HOME\n",
    says: "c.yaml:1: the tag !env is not supported; remove it",
  },
  {
    name: "a value that is not what its tag says",
    yaml: "a: !!int x\n",
    says: "c.yaml:1: the value is not what its tag !!int says",
  },
  {
    name: "an alias without an anchor",
    yaml: "a: *b\n",
    says: "c.yaml:1: no anchor &b stands before the alias *b",
  },
  {
    name: "an alias inside its anchor",
    yaml: "a: &b\n  - *b\n",
    says: "c.yaml:2: the alias *b stands inside its own anchor",
  },
  {
    name: "a merge of what is no map",
    yaml: "a:\n  <<: [1]\n",
    says: "c.yaml:2: << takes a map or a list of maps",
  },
];

const referenceRefusals: readonly Refusal[] = [
  {
    name: "a variable's name",
    yaml: "a:\n  b: x${hello.world}",
    says:
      'c.yaml:2: env:hello.world: "hello.world" cannot be a variable\'s name: ' +
      "letters, digits and _ only, no digit first",
  },
  {
    name: "a scheme",
    yaml: "a: ${vault:x}",
    says:
      "c.yaml:1: ${vault:…} is not one of env, file, yaml, http, https; " +
      "for the text itself write $$ for $",
  },
  {
    name: "a $ inside",
    yaml: "a: ${env:$B}",
    says: "c.yaml:1: a $ alone cannot stand inside a reference; only another reference can",
  },
  {
    name: "a file that is not there",
    yaml: "a: ${file:x}",
    says: "c.yaml:1: x: there is no such file",
  },
  {
    name: "a repeated key of a file",
    yaml: "\na: ${file:d.yaml}",
    files: { "d.yaml": "x: 1\nx: 2\n" },
    says: 'c.yaml:2: d.yaml:2: the key "x" stands on line 1 and on line 2; keep one',
  },
  {
    name: "a circle",
    yaml: "a: ${A}",
    variables: { A: "x${B}", B: "[1, '${env:A}']" },
    says: "c.yaml:1: references go in a circle: env:A -> env:B -> env:A",
  },
  {
    name: "a file that asks for itself",
    yaml: "a: ${file:d.yaml}",
    files: { "d.yaml": "x:\n  y: ${file:d.yaml}\n" },
    says: "c.yaml:1: references go in a circle: d.yaml -> d.yaml",
  },
];

for (const [title, refusals] of [
  ["sources are refused for", sourceRefusals],
  ["YAML is refused for", yamlRefusals],
  ["references are refused for", referenceRefusals],
] as const) {
  describe(title, () => {
    for (const { name, says, ...given } of refusals) {
      it(name, async () => assert.equal(await refusalOf(given), says));
    }
  });
}

const times = (count: number, line: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => line(index)).join("\n");

/** Each level doubles what the one before it means. */
const bomb = (unit: string, levels: number): string =>
  `l0: &l0 ${unit}\n${times(levels, (i) => `l${i + 1}: &l${i + 1} [*l${i}, *l${i}]`)}`;

const doubling = (levels: number): Record<string, string> =>
  Object.fromEntries(
    Array.from({ length: levels }, (_, i) => [`V${i}`, `\${V${i + 1}}\${V${i + 1}}`]),
  );

describe("limits", () => {
  const limits: readonly (Omit<Refusal, "says"> & { readonly says: RegExp })[] = [
    {
      name: "the size of a file",
      yaml: `a: ${"x".repeat(1024 * 1024)}`,
      says: /^c\.yaml: 1048579 characters; at most 1048576$/,
    },
    {
      name: "nesting",
      yaml: `a: ${"[".repeat(101)}${"]".repeat(101)}`,
      says: /^c\.yaml:1: maps and lists are nested deeper than 100$/,
    },
    {
      name: "nesting beyond the parser's own depth",
      yaml: "[".repeat(100_000),
      says: /^c\.yaml:1: column \d+: maps and lists are nested too deeply$/,
    },
    {
      name: "nesting made of files",
      yaml: "a: ${file:1}",
      files: {
        "1": `${"[".repeat(60)}"\${file:2}"${"]".repeat(60)}`,
        "2": "[".repeat(60) + "]".repeat(60),
      },
      says: /^c\.yaml:1: maps and lists are nested deeper than 100$/,
    },
    {
      name: "aliases that multiply values",
      yaml: bomb("[1, 2]", 40),
      says: /^c\.yaml:\d+: more than 100000 keys and items, aliases expanded$/,
    },
    {
      name: "aliases that multiply text",
      yaml: bomb("x".repeat(10_000), 12),
      says: /^c\.yaml:1: aliases make the text longer than 1048576 characters$/,
    },
    {
      name: "keys",
      yaml: times(100_001, (i) => `k${i}:`),
      says: /^c\.yaml:\d+: more than 100000 keys and items/,
    },
    {
      name: "keys of several sources",
      files: {
        "1": times(60_000, (i) => `a${i}: 1`),
        "2": times(60_000, (i) => `b${i}: 1`),
      },
      configs: ["1", "2"],
      says: /^2:\d+: more than 100000 keys and items, all sources together$/,
    },
    {
      name: "references that multiply references",
      yaml: "a: ${V0}",
      variables: { ...doubling(30), V30: "x" },
      says: /^c\.yaml:1: leads to over 1000 references$/,
    },
    {
      name: "references that multiply text",
      yaml: "a: x${V0}",
      variables: { ...doubling(8), V8: "x".repeat(100_000) },
      says: /^c\.yaml:1: references make a text of over 1048576 characters$/,
    },
    {
      name: "a chain of references",
      yaml: "a: ${V0}",
      variables: Object.fromEntries(
        times(102, String)
          .split("\n")
          .map((i) => [`V${i}`, `\${V${Number(i) + 1}}`]),
      ),
      says: /^c\.yaml:1: references are nested deeper than 100$/,
    },
  ];
  for (const { name, says, ...given } of limits) {
    it(`of ${name}`, async () => assert.match(await refusalOf(given), says));
  }

  it("are not reached one below", async () => {
    const none = "nothing was refused";
    assert.equal(await refusalOf({ yaml: `a: ${"x".repeat(1024 * 1024 - 3)}` }), none);
    assert.equal(await refusalOf({ yaml: `a: ${"[".repeat(99)}${"]".repeat(99)}` }), none);
    assert.equal(await refusalOf({ yaml: times(99_999, (i) => `k${i}: 1`) }), none);
    const variables = { A: "${B}".repeat(999), B: "x" };
    assert.equal(await refusalOf({ yaml: "a: ${A}", variables }), none);
  });
});
