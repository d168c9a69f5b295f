import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { after, describe, it } from "node:test";
import { temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { readElf, SECTIONS_MAX } from "../elf/elf-file.ts";
import { bytesAccess } from "../elf/random-access.ts";
import { readElfBuildId } from "./elf-identity.ts";
import { openRegularFile } from "./opened-file.ts";
import { debugFileBytes } from "./testing/written-debug-file.ts";

const ID = "0123456789abcdef0123456789abcdef01234567";

describe("the build id of a file", () => {
  const folder = temporaryFolder();
  after(() => folder[Symbol.dispose]());

  async function identify(path: string): Promise<string> {
    const file = await openRegularFile(path);
    if ("why" in file) return file.why;
    using opened = file;
    const elf = await readElfBuildId(opened);
    return "why" in elf ? elf.why : elf.buildId;
  }

  async function identifyBytes(bytes: Uint8Array): Promise<string> {
    writeFileSync(folder.file("file"), bytes);
    return await identify(folder.file("file"));
  }

  /** 64 bits, little endian, and as many empty sections as it says behind its header. */
  function manySections(count: number): Uint8Array {
    const bytes = Buffer.alloc(64 + 64 * count);
    bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
    bytes.writeBigUInt64LE(64n, 40);
    bytes.writeUInt16LE(64, 58);
    if (count < 0xff00) bytes.writeUInt16LE(count, 60);
    else bytes.writeBigUInt64LE(BigInt(count), 64 + 32);
    return bytes;
  }

  it("is that which the reader of whole files finds", async () => {
    for (const path of ["/proc/self/exe", "/bin/sh", "/usr/bin/readelf"]) {
      const bytes = readFileSync(path);
      assert.equal(await identify(path), readElf(bytesAccess(bytes, path)).buildId, path);
    }
  });

  it("stands in any note", async () => {
    assert.equal(await identifyBytes(debugFileBytes({ buildId: ID })), ID);
    assert.equal(await identifyBytes(debugFileBytes()), "");
  });

  it("is looked for in as many sections as a file may have", async () => {
    assert.equal(await identifyBytes(manySections(SECTIONS_MAX)), "");
    const refused = await identifyBytes(manySections(SECTIONS_MAX + 1));
    assert.equal(refused, "not a whole ELF file: sections: 65537 are too many");
  });

  it("is nothing in broken files, which are refused or have another [S5]", async () => {
    const whole = debugFileBytes({ buildId: ID });
    let seed = 1;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return (seed >>> 8) % below;
    };
    for (let round = 0; round < 1500; round++) {
      const bytes = whole.slice(0, round % 3 === 0 ? random(whole.length) : whole.length);
      for (let flips = random(6); flips >= 0; flips--) bytes[random(bytes.length)] = random(256);
      const startMs = performance.now();
      assert.equal(typeof (await identifyBytes(bytes)), "string");
      assert.ok(performance.now() - startMs < 1000);
    }
  });
});
