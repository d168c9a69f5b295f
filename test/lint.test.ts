import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { packageRoot } from "../src/support/package-root.ts";
import { runCommand } from "./support/run-command.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";

/** What a planted file must be blamed for; `none` for a file that is right. */
interface Planted {
  readonly path: string;
  readonly text: string;
  readonly rule: string;
}

const restricted = "style/noRestrictedImports";
const importing = (path: string, from: string): Planted => ({
  path,
  text: `import type { Thing } from "${from}";\nexport type Own = Thing;\n`,
  rule: restricted,
});

const faults: readonly Planted[] = [
  importing("src/support/a.ts", "../profiles/profile.ts"),
  importing("src/profiles/a.ts", "../pipeline/component.ts"),
  importing("src/profiles/otlp/a.ts", "../../linux/bpf.ts"),
  importing("src/config/a.ts", "../pipeline/component.ts"),
  importing("src/pipeline/a.ts", "../receivers/ebpf/receiver.ts"),
  importing("src/linux/a.ts", "../symbols/elf/file.ts"),
  importing("src/symbols/elf/a.ts", "../../store/index.ts"),
  importing("src/store/a.ts", "../exporters/debug/exporter.ts"),
  importing("src/receivers/ebpf/a.ts", "../../processors/symbolize/processor.ts"),
  importing("src/receivers/ebpf/b.ts", "../otlp/receiver.ts"),
  importing("src/exporters/debug/a.ts", "../../cli/exit-codes.ts"),
  importing("src/components.ts", "./service/service.ts"),
  importing("src/service/a.ts", "../cli/exit-codes.ts"),
  importing("src/cli/a.ts", "../main.ts"),
  importing("src/linux/libbpf.ts", "ffi-rs"),
  importing("test/e2e/a.ts", "ffi-rs"),
  {
    path: "src/profiles/no-extension.ts",
    text: 'import type { Thing } from "./thing";\nexport type Own = Thing;\n',
    rule: "correctness/useImportExtensions",
  },
  {
    path: "src/profiles/cycle-one.ts",
    text: 'import { two } from "./cycle-two.ts";\nexport const one: number = two;\n',
    rule: "suspicious/noImportCycles",
  },
  {
    path: "src/profiles/floating.ts",
    text: "async function work(): Promise<void> {}\nwork();\n",
    rule: "nursery/noFloatingPromises",
  },
  {
    path: "src/profiles/console.ts",
    text: 'console.log("x");\n',
    rule: "suspicious/noConsole",
  },
  {
    path: "src/profiles/default.ts",
    text: "export default 1;\n",
    rule: "style/noDefaultExport",
  },
];

const right: readonly Planted[] = [
  { path: "src/profiles/thing.ts", text: "export type Thing = number;\n", rule: "none" },
  {
    path: "src/profiles/cycle-two.ts",
    text: 'import { one } from "./cycle-one.ts";\nexport const two: number = one;\n',
    rule: "suspicious/noImportCycles",
  },
  { ...importing("src/linux/ffi.ts", "ffi-rs"), rule: "none" },
  { ...importing("src/cli/right.ts", "../profiles/thing.ts"), rule: "none" },
  { ...importing("src/receivers/ebpf/right.ts", "../../linux/ffi.ts"), rule: "none" },
  { ...importing("src/receivers/ebpf/own.ts", "./right.ts"), rule: "none" },
];

interface Diagnostic {
  readonly category: string;
  readonly location: { readonly path: string | { readonly file: string } };
}

/** The rules that Biome with this project's biome.json blames each file for. */
async function rulesBroken(files: readonly Planted[]): Promise<Map<string, string[]>> {
  using folder = temporaryFolder();
  copyFileSync(join(packageRoot(), "biome.json"), folder.file("biome.json"));
  copyFileSync(join(packageRoot(), ".gitignore"), folder.file(".gitignore"));
  for (const { path, text } of files) {
    mkdirSync(dirname(folder.file(path)), { recursive: true });
    writeFileSync(folder.file(path), text);
  }
  const biome = join(packageRoot(), "node_modules/@biomejs/biome/bin/biome");
  const args = [biome, "lint", "--reporter=json", "--max-diagnostics=none", "."];
  const result = await runCommand(process.execPath, args, { cwd: folder.path });
  const report = JSON.parse(result.stdout) as { diagnostics: Diagnostic[] };
  const broken = new Map<string, string[]>();
  for (const { category, location } of report.diagnostics) {
    const path = typeof location.path === "string" ? location.path : location.path.file;
    broken.set(path, [...(broken.get(path) ?? []), category.replace(/^lint\//, "")]);
  }
  return broken;
}

describe("biome.json", async () => {
  const broken = await rulesBroken([...faults, ...right]);
  for (const { path, text, rule } of [...faults, ...right]) {
    const from = /from "(.*)"/.exec(text)?.[1];
    const title = from === undefined ? path : `${path} that imports ${from}`;
    it(rule === "none" ? `accepts ${title}` : `blames ${title} for ${rule}`, () => {
      const rules = broken.get(path) ?? [];
      if (rule === "none") assert.deepEqual(rules, []);
      else assert.ok(rules.includes(rule), `blamed for ${rules.join(", ") || "nothing"}`);
    });
  }
});
