import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { packageRoot } from "../src/support/package-root.ts";
import { faultsOf, importsOf, type SourceFile } from "./support/tidy.ts";

const patterns = [
  "{src,test,scripts,web}/**/*.{ts,tsx}",
  "bpf/**/*.{c,h}",
  "scripts/*.sh",
  "Makefile",
];
const notOurs = /\/(testdata|generated)\//;

function read(path: string): string {
  return readFileSync(`${packageRoot()}/${path}`, "utf8");
}

function sourceFiles(): SourceFile[] {
  return globSync(patterns, { cwd: packageRoot() })
    .filter((path) => !notOurs.test(path))
    .sort()
    .map((path) => ({ path, text: read(path) }));
}

const lines = (count: number): string => "let x;\n".repeat(count);
const importing = (from: string): string => `import { x } from "${from}";\n`;
const functionOf = (count: number, head = "function long(): void {", end = "}"): string =>
  `${head}\n${"  step();\n".repeat(count - 2)}${end}\n`;
const word = "TO" + "DO";

/** A planted fault, and the words of the sentence that must name it. */
const planted: readonly { path: string; text: string; says: RegExp }[] = [
  { path: "src/support/a.ts", text: lines(401), says: /:401: 401 lines are over 400/ },
  { path: "src/support/a.test.ts", text: lines(601), says: /601 lines are over 600/ },
  { path: "src/support/a.ts", text: `// ${"x".repeat(98)}\n`, says: /:1: 101 columns/ },
  { path: "src/support/a.ts", text: functionOf(71), says: /:1: a function of 71 lines/ },
  {
    path: "src/support/a.ts",
    text: `class A {\n${functionOf(71, "  async #work(a: string): Promise<void> {", "  }")}}\n`,
    says: /:2: a function of 71 lines/,
  },
  {
    path: "src/support/a.ts",
    text: functionOf(71, "const work = (): void => {", "};"),
    says: /a function of 71 lines/,
  },
  { path: "src/exporters/x/a.ts", text: 'readFileSync("x");\n', says: /blocks the event loop/ },
  { path: "src/support/a.ts", text: 'console.error("x");\n', says: /console/ },
  { path: "src/cli/a.ts", text: "const t = Date.now();\n", says: /clock/ },
  { path: "src/cli/a.ts", text: "process.exit(1);\n", says: /only src\/main.ts ends/ },
  { path: "src/receivers/otlp/a.ts", text: "JSON.parse(body);\n", says: /with limits/ },
  { path: "web/a.ts", text: "node.innerHTML = name;\n", says: /textContent/ },
  { path: "src/cli/a.test.ts", text: 'it.skip("x");\n', says: /requirement/ },
  { path: "src/cli/a.test.ts", text: 'it.only("x");\n', says: /requirement/ },
  { path: "src/support/a.ts", text: importing("../profiles/b.ts"), says: /higher row/ },
  { path: "src/linux/a.ts", text: importing("../receivers/ebpf/b.ts"), says: /higher row/ },
  { path: "src/receivers/a/b.ts", text: importing("../c/d.ts"), says: /imports component/ },
  { path: "src/receivers/a/b.ts", text: importing("../../exporters/c/d.ts"), says: /component/ },
  { path: "src/linux/a.ts", text: importing("ffi-rs"), says: /only src\/linux\/ffi.ts/ },
  { path: "test/e2e/a.ts", text: importing("ffi-rs"), says: /only src\/linux\/ffi.ts/ },
  { path: "src/cli/a.ts", text: importing("../../test/support/b.ts"), says: /tests only/ },
  { path: "src/cli/a.ts", text: importing("../profiles/testing/b.ts"), says: /tests only/ },
  { path: "src/cli/a.ts", text: importing("./b"), says: /extension/ },
  { path: "src/cli/a.ts", text: 'await import("../main.ts");\n', says: /higher row/ },
  { path: "src/utils/a.ts", text: "", says: /has no row/ },
  { path: "src/cli/a.ts", text: "const ROWS_MAX = 4;\n", says: /without a reason/ },
  { path: "src/cli/a.ts", text: `// ${word}: more\n`, says: /unfinished/ },
  { path: "bpf/a.bpf.c", text: "int x;\n", says: /SPDX/ },
];

const accepted: readonly SourceFile[] = [
  { path: "src/support/a.ts", text: lines(400) },
  { path: "src/support/a.ts", text: functionOf(70) },
  { path: "src/support/a.ts", text: `// ${"x".repeat(97)}\n` },
  { path: "src/linux/ffi.ts", text: importing("ffi-rs") },
  { path: "src/linux/a.ts", text: 'readFileSync("x");\n' },
  { path: "src/receivers/a/b.ts", text: importing("./c.ts") + importing("../../linux/d.ts") },
  { path: "src/cli/a.test.ts", text: importing("../../test/support/b.ts") },
  { path: "src/cli/a.ts", text: "/** What one sees. */\nconst A_MAX = 4;\nconst B_MAX = 5;\n" },
  { path: "src/cli/a.ts", text: "// Date.now() is not called here\n" },
];

describe("the rules of the house", () => {
  for (const { path, text, says } of planted) {
    it(`catch in ${path}: ${says.source}`, () => {
      assert.match(faultsOf({ path, text }).join("\n"), says);
    });
  }

  for (const file of accepted) {
    it(`accept in ${file.path}: ${file.text.slice(0, 30).replaceAll("\n", " ")}`, () => {
      assert.deepEqual(faultsOf(file), []);
    });
  }
});

describe("the tree", () => {
  for (const file of sourceFiles()) {
    const faults = faultsOf(file);
    // One test a file would bury the others: only a file with a fault gets its own.
    if (faults.length > 0) it(file.path, () => assert.fail(faults.join("\n")));
  }

  it("has files to look at", () => {
    assert.ok(sourceFiles().length > 50);
  });
});

interface Manifest {
  readonly dependencies: Record<string, string>;
  readonly devDependencies: Record<string, string>;
  readonly optionalDependencies: Record<string, string>;
}

const manifest = JSON.parse(read("package.json")) as Manifest;
const runtime = { ...manifest.dependencies, ...manifest.optionalDependencies };

/** The bar S20: each dependency is code that others can change under us. */
const RUNTIME_DEPENDENCIES_MAX = 10;

describe("dependencies", () => {
  it("are few and pinned to one version [S20]", () => {
    assert.ok(Object.keys(runtime).length <= RUNTIME_DEPENDENCIES_MAX);
    for (const [name, version] of Object.entries({ ...runtime, ...manifest.devDependencies })) {
      assert.match(version, /^\d+\.\d+\.\d+$/, name);
    }
  });

  it("run nothing when they are installed [S20]", () => {
    const lock = JSON.parse(read("package-lock.json")) as {
      packages: Record<string, { hasInstallScript?: boolean; integrity?: string }>;
    };
    for (const [name, entry] of Object.entries(lock.packages)) {
      assert.notEqual(entry.hasInstallScript, true, name);
      if (name !== "") assert.ok(entry.integrity, `${name} has no integrity hash`);
    }
  });

  const decisions = read("docs/decisions/dependencies.md");
  for (const name of Object.keys({ ...runtime, ...manifest.devDependencies })) {
    it(`docs/decisions/dependencies.md says why ${name} is here`, () => {
      assert.match(decisions, new RegExp(`^\\| ${RegExp.escape(`\`${name}\``)} \\|`, "m"));
    });
  }

  it("are all that src/ imports", () => {
    for (const file of sourceFiles().filter(({ path }) => /^src\/(?!.*\.test\.ts)/.test(path))) {
      if (file.path.includes("/testing/") || file.path.endsWith(".fuzz.ts")) continue;
      for (const { specifier, line } of importsOf(file)) {
        if (/^[.]|^node:/.test(specifier)) continue;
        const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
        assert.ok(name in runtime, `${file.path}:${line}: ${name} is no runtime dependency`);
      }
    }
  });
});

describe("docs/threat-model.md", () => {
  it("names only tests that exist [S21]", () => {
    for (const [, path = ""] of read("docs/threat-model.md").matchAll(/`((?:src|test)\/[^`]+)`/g)) {
      assert.ok(existsSync(join(packageRoot(), path)), path);
    }
  });
});
