import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { readProcess } from "../../linux/proc.ts";
import { sleep } from "../../support/clock.ts";
import { readElf } from "../../symbols/elf/elf-file.ts";
import { bytesAccess, fileAccess } from "../../symbols/elf/random-access.ts";
import { hostOpenerOf, openerOf } from "./executable-opener.ts";
import { imageWith, mappingAt } from "./testing/fakes.ts";

describe("openerOf", () => {
  it("opens the program of a running process", () => {
    const snapshot = readProcess(process.pid) ?? assert.fail();
    const mapping = snapshot.mappings.find(({ path }) => path === process.execPath);
    assert.ok(mapping !== undefined);
    const { pid, startNs } = snapshot;
    const source = openerOf(imageWith([mapping], { pid, startNs }), mapping)();
    assert.ok("fd" in source);
    using file = source;
    assert.ok(readElf(fileAccess(file.fd, mapping.path)).segments.length > 0);
  });

  it("tells a program by the same identity before and while it runs", () => {
    const snapshot = readProcess(process.pid) ?? assert.fail();
    const mapping = snapshot.mappings.find(({ path }) => path === process.execPath);
    assert.ok(mapping !== undefined);
    const { pid, startNs } = snapshot;
    const running = openerOf(imageWith([mapping], { pid, startNs }), mapping)();
    const before = hostOpenerOf(process.execPath)();
    assert.ok("fd" in running && "fd" in before);
    using _running = running;
    using _before = before;
    assert.equal(before.identity, running.identity);
    assert.ok("missing" in hostOpenerOf("/no/such/file")());
  });

  it("gives the vdso as bytes, of whatever process it is", () => {
    const mapping = mappingAt(0x7ffc00000000n, { path: "[vdso]" });
    const source = openerOf(imageWith([mapping], { pid: 1 }), mapping)();
    assert.ok("bytes" in source);
    assert.notEqual(readElf(bytesAccess(source.bytes, "[vdso]")).buildId, "");
  });

  it("says why there is nothing to open", () => {
    const mapping = mappingAt(0x10000n, { path: "/no/such/file" });
    const source = openerOf(imageWith([mapping], { pid: 0x7fff_fffe }), mapping)();
    assert.ok("missing" in source);
  });

  it("does not keep the image, and takes a process whose image is gone for ended", async () => {
    const path = process.execPath;
    const opened = ((): { open: ReturnType<typeof openerOf>; image: WeakRef<object> } => {
      const snapshot = readProcess(process.pid) ?? assert.fail();
      const mapping = snapshot.mappings.find((each) => each.path === path) ?? assert.fail();
      const image = imageWith([mapping], { pid: process.pid, startNs: snapshot.startNs });
      return { open: openerOf(image, mapping), image: new WeakRef(image) };
    })();
    // What a WeakRef was made for, or asked for, stays until the end of the turn.
    await sleep(1);
    collectGarbage();
    assert.equal(opened.image.deref(), undefined);
    const source = opened.open();
    assert.ok("fd" in source, "the host still has the file");
    source[Symbol.dispose]();
  });
});

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
}
