import assert from "node:assert/strict";
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { packageRoot } from "../src/support/package-root.ts";
import { requirement } from "./support/requirements.ts";
import { type CommandResult, runCommand } from "./support/run-command.ts";
import { type TemporaryFolder, temporaryFolder } from "./support/temporary-folder.ts";

const script = join(packageRoot(), "scripts/setup.sh");
const NOTHING_TO_DO_MS = 1000;

/** A machine that has a shell and little else. */
const fewPrograms = ["sh", "dirname", "cat", "sort", "tr", "id"];

async function setUpWithout(
  folder: TemporaryFolder,
  osRelease: string,
  ...prefix: string[]
): Promise<CommandResult> {
  for (const name of fewPrograms) symlinkSync(`/usr/bin/${name}`, folder.file(name));
  writeFileSync(folder.file("os-release"), osRelease);
  const env = { PATH: folder.path, OBSFORGE_OS_RELEASE: folder.file("os-release") };
  const [program, ...args] = [...prefix, "/bin/sh", script];
  return await runCommand(program as string, args, { env });
}

describe("make setup", () => {
  it("does nothing when nothing is missing, in less than a second", async () => {
    const startNs = process.hrtime.bigint();
    const result = await runCommand("make", ["-C", packageRoot(), "setup"]);
    const tookMs = Number(process.hrtime.bigint() - startNs) / 1e6;
    assert.equal(result.code, 0, result.stderr);
    assert.match(result.stdout, /everything is in place/);
    assert.doesNotMatch(result.stdout, /installing|compiling/);
    assert.ok(tookMs < NOTHING_TO_DO_MS, `took ${tookMs} ms`);
  });

  for (const { name, osRelease, says } of [
    { name: "Fedora", osRelease: "ID=fedora\n", says: /dnf install .*clang .*gcc-c\+\+/ },
    { name: "a derivative", osRelease: 'ID=x\nID_LIKE="rhel fedora"\n', says: /dnf install/ },
    { name: "Arch", osRelease: "ID=arch\n", says: /pacman -S .*clang/ },
    { name: "an unknown one", osRelease: "ID=plan9\n", says: /not known here.* clang/ },
  ]) {
    it(`names what ${name} needs and stops`, async () => {
      using folder = temporaryFolder();
      const result = await setUpWithout(folder, osRelease);
      assert.equal(result.code, 1);
      assert.match(result.stderr, says);
    });
  }

  it("says what needs root", { skip: requirement("root") }, async () => {
    using folder = temporaryFolder();
    // No root but allowed to read every file, whoever owns the checkout.
    const user = ["/usr/bin/setpriv", "--reuid=65534", "--inh-caps=+dac_read_search"];
    const caps = ["--ambient-caps=+dac_read_search", "--clear-groups"];
    await runCommand("chmod", ["755", folder.path]);
    const result = await setUpWithout(folder, "ID=debian\n", ...user, ...caps);
    assert.equal(result.code, 1);
    assert.match(result.stderr, /needs root: sudo apt-get install .*clang/);
  });
});
