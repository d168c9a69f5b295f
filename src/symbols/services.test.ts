import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { silentLogger } from "../support/logger.ts";
import { SymbolServices } from "./services.ts";

describe("the kernel's layout", () => {
  it("is read again when a module came or went, and only then", async () => {
    let modules = "ext4 100 1 - Live 0xffffffffc0000000\n";
    await using services = new SymbolServices(silentLogger, async () => modules);
    const first = await services.kernelLayout();
    modules = "ext4 100 7 nfs, Live 0xffffffffc0000000\n";
    assert.equal(await services.kernelLayout(), first);
    modules = "nfs 100 1 - Live 0xffffffffc0000000\n";
    const second = await services.kernelLayout();
    assert.notEqual(second, first);
    assert.equal(await services.kernelLayout(), second);
    modules = "nfs 100 1 - Live 0xffffffffc0100000\n";
    assert.notEqual(await services.kernelLayout(), second);
  });
});
