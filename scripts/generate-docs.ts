/**
 * Writes what the documentation says of every component from the components themselves: the
 * option tables of the READMEs, docs/components/, the JSON schema of a configuration, and the
 * example in docs/extending.md. Run by `make docs`; test/docs.test.ts fails when a file differs
 * from what this would write.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { components } from "../src/components.ts";
import { type JsonSchema, jsonSchemaOf } from "../src/config/json-schema.ts";
import { optionTable } from "../src/config/option-table.ts";
import type { ComponentDefinition, ComponentKind } from "../src/pipeline/component.ts";
import { serviceConfig } from "../src/service/service-config.ts";
import { packageRoot } from "../src/support/package-root.ts";

const PAGES = "docs/components";
const EXTENDING = "docs/extending.md";
const EXAMPLE = "docs/examples/drop-processes.ts";
const GENERATED = "<!-- Written by `make docs`; change its source and run that. -->";
const JSON_WIDTH = 100;

const kinds: readonly ComponentKind[] = [
  "receiver",
  "processor",
  "exporter",
  "connector",
  "extension",
];

/** Every generated file: its contents by its path from the root of the repository. */
export function generatedFiles(): Map<string, string> {
  const files = new Map<string, string>();
  for (const definition of components) {
    const readme = readmeOf(definition);
    const text = withPart(readme, "options", optionTable(definition.config));
    files.set(readme, text);
    files.set(pageOf(definition), page(readme, text));
  }
  files.set(`${PAGES}/service.md`, servicePage());
  files.set(`${PAGES}/README.md`, indexPage());
  const example = `\`\`\`ts\n${read(EXAMPLE)}\`\`\`\n`;
  files.set(EXTENDING, withPart(EXTENDING, "example", example));
  files.set("docs/config.schema.json", `${json(configurationSchema())}\n`);
  return files;
}

/** The JSON schema of a configuration of this program's components, and of others. */
export function configurationSchema(others: readonly ComponentDefinition[] = []): JsonSchema {
  return jsonSchemaOf({ components: [...components, ...others], service: serviceConfig });
}

function readmeOf({ kind, type }: ComponentDefinition): string {
  return `src/${kind}s/${type}/README.md`;
}

function pageOf({ kind, type }: ComponentDefinition): string {
  return `${PAGES}/${kind}-${type}.md`;
}

/** A text with what stands between the marks `<!-- name -->` and `<!-- /name -->` replaced. */
function withPart(path: string, name: string, part: string): string {
  const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [before, rest = ""] = read(path).split(open);
  const after = rest.split(close)[1];
  if (after === undefined) throw new Error(`${path} lacks the marks ${open} and ${close}`);
  return `${before}${open}\n\n${part}\n${close}${after}`;
}

function read(path: string): string {
  return readFileSync(join(packageRoot(), path), "utf8");
}

/** A README as a page in another folder: its links still lead where they did. */
function page(readme: string, text: string): string {
  const moved = text.replaceAll(/\]\((?!https?:|#)([^)]+)\)/g, (_, target: string) => {
    return `](${posix.relative(PAGES, posix.join(posix.dirname(readme), target))})`;
  });
  return `<!-- The source is ${readme}; change that and run \`make docs\`. -->\n\n${moved}`;
}

function servicePage(): string {
  return `${GENERATED}

# service

Which pipelines run, and what the program says of itself: its log, and its metrics for Prometheus.

\`\`\`yaml
service:
  telemetry:
    logs: { level: info }
  pipelines:
    profiles: { receivers: [profiling], processors: [symbolize], exporters: [pprof] }
\`\`\`

${optionTable(serviceConfig)}`;
}

function indexPage(): string {
  const lists = kinds.flatMap((kind) => {
    const rows = components.filter((definition) => definition.kind === kind).map(indexRow);
    if (rows.length === 0) return [];
    const title = `${kind.slice(0, 1).toUpperCase()}${kind.slice(1)}s`;
    return [`## ${title}\n\n| name | also called | stability |\n|---|---|---|\n${rows.join("")}`];
  });
  return `${GENERATED}

# Components

What a configuration may name, each with its options. What stands under \`service\` is in
[service.md](service.md). \`obsforge components\` prints the same list, with those of
\`--component\`; how to write one is in [extending.md](../extending.md).

An editor with a YAML language server checks a configuration while it is written, when its first
line is \`# yaml-language-server: $schema=\` and the path of
[config.schema.json](../config.schema.json).

${lists.join("\n")}`;
}

function indexRow(definition: ComponentDefinition): string {
  const { type, aliases, stability } = definition;
  const names = aliases.map((alias) => `\`${alias}\``).join(", ");
  return `| [\`${type}\`](${posix.basename(pageOf(definition))}) | ${names} | ${stability} |\n`;
}

/** As the formatter of the repository wants it: a list that fits stands on one line. */
function json(value: unknown, indentation = "", used = 0): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const inner = `${indentation}  `;
  if (!Array.isArray(value)) {
    const entries = Object.entries(value).map(([key, element]) => {
      const head = `${inner}${JSON.stringify(key)}: `;
      return head + json(element, inner, head.length);
    });
    return entries.length === 0 ? "{}" : `{\n${entries.join(",\n")}\n${indentation}}`;
  }
  const line = `[${value.map((element) => json(element)).join(", ")}]`;
  if (!holdsMap(value) && used + line.length < JSON_WIDTH) return line;
  const elements = value.map((element) => inner + json(element, inner, inner.length));
  return `[\n${elements.join(",\n")}\n${indentation}]`;
}

function holdsMap(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(holdsMap);
  return typeof value === "object" && value !== null && Object.keys(value).length > 0;
}

function writeAll(): void {
  for (const [path, text] of generatedFiles()) {
    const target = join(packageRoot(), path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
  }
}

if (import.meta.main) writeAll();
