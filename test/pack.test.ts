import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { packageRoot } from "../src/support/package-root.ts";
import { requirement } from "./support/requirements.ts";
import { type CommandOptions, runCommand } from "./support/run-command.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";

const INSTALL_TIMEOUT_MS = 180_000;

async function succeed(program: string, args: string[], options: CommandOptions): Promise<string> {
  const result = await runCommand(program, args, { timeoutMs: INSTALL_TIMEOUT_MS, ...options });
  assert.equal(result.code, 0, `${program} ${args.join(" ")}\n${result.stdout}${result.stderr}`);
  return result.stdout;
}

describe("npm package", async () => {
  const folder = temporaryFolder();
  after(() => folder[Symbol.dispose]());
  const home = folder.file("installed");
  mkdirSync(home);
  // Without a package.json of its own, npm would look for one in the folders above.
  writeFileSync(join(home, "package.json"), "{}");
  await succeed("npm", ["pack", "--silent", "--pack-destination", folder.path], {
    cwd: packageRoot(),
  });
  const { version } = JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8"));
  const tarball = folder.file(`observability-forge-${version}.tgz`);
  const contents = await succeed("tar", ["-tzf", tarball], {});
  await succeed("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", tarball], {
    cwd: home,
  });
  const versionText = await succeed("npx", ["obsforge", "--version"], { cwd: home });
  const doctor = await runCommand("npx", ["obsforge", "doctor", "--json"], { cwd: home });

  it("holds the program and the BPF objects of both architectures, and no sources or tests", () => {
    for (const path of [
      "bin/obsforge",
      "dist/main.js",
      "build/bpf/x86_64/on_cpu.bpf.o",
      "build/bpf/arm64/on_cpu.bpf.o",
      "build/web/page.js",
      "build/web/flamegraph.js",
      "build/web/types/web/flamegraph/library.d.ts",
      "LICENSE",
      "bpf/LICENSE",
    ]) {
      assert.ok(contents.includes(`package/${path}\n`), path);
    }
    assert.doesNotMatch(contents, /(?<!\.d)\.ts$|\.test\.|\/testing\/|testdata|node_modules/m);
  });

  it("runs in an empty folder by npx", () => {
    assert.equal(versionText, `obsforge ${version}\n`);
  });

  it("makes flame graphs there", async () => {
    using output = temporaryFolder();
    writeFileSync(output.file("a.folded"), "main;work 7\n");
    const html = output.file("a.html");
    await succeed("npx", ["obsforge", "flamegraph", output.file("a.folded"), "-o", html], {
      cwd: home,
    });
    assert.match(readFileSync(html, "utf8"), /application\/x-obsforge-profile/);
  });

  it("records there", { skip: requirement("root", "bpf") }, async () => {
    using output = temporaryFolder();
    const file = output.file("host.folded");
    await succeed("npx", ["obsforge", "record", "-a", "-d", "1", "-o", file], { cwd: home });
    assert.ok(existsSync(file));
  });

  it("finds its BPF objects there", () => {
    const report = JSON.parse(doctor.stdout) as { checks: { id: string; ok: boolean }[] };
    assert.equal(report.checks.find((check) => check.id === "bpf_objects")?.ok, true);
  });
});
