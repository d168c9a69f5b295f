import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { mutated, Random } from "../../../test/fuzz/mutate.ts";
import { requirement } from "../../../test/support/requirements.ts";
import { type TemporaryFolder, temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { readElf } from "../elf/elf-file.ts";
import { bytesAccess, type RandomAccess } from "../elf/random-access.ts";
import {
  cachedUnwindTable,
  openUnwindTableCache,
  UnwindTableCache,
  type UnwindTableCacheOptions,
} from "./table-cache.ts";
import { FrameWriter, TEXT, writeCfiElf } from "./testing/cfi-writer.ts";
import { buildUnwindTable } from "./unwind-table.ts";

const SEED = 5;
const FLIPS = 400;
const PRIVATE_FILE = 0o100600;

/** Files of one header and one size; the offset tells them apart. */
function fileWith(cfaOffset: number, fdes = 1): Uint8Array {
  const writer = new FrameWriter();
  const cie = writer.cie();
  for (let fde = 0; fde < fdes; fde++) {
    writer.fde(cie, { start: TEXT + fde * 16, byteCount: 16, instructions: [0x0e, cfaOffset] });
  }
  return writeCfiElf({ frame: writer.bytes });
}

const elfOf = (bytes: Uint8Array, name = "file") => readElf(bytesAccess(bytes, name));
const built = (bytes: Uint8Array) => buildUnwindTable(elfOf(bytes));

function opened(
  folder: TemporaryFolder,
  options: Partial<UnwindTableCacheOptions> = {},
): UnwindTableCache {
  const cache = openUnwindTableCache({ folder: folder.path, buildMsMin: 0, ...options });
  assert.ok(cache instanceof UnwindTableCache, JSON.stringify(cache));
  return cache;
}

const tables = (folder: TemporaryFolder): string => join(folder.path, "unwind-tables");
const entries = (folder: TemporaryFolder): string[] =>
  readdirSync(tables(folder)).map((name) => join(tables(folder), name));

function onlyEntry(folder: TemporaryFolder): string {
  const [path, ...others] = entries(folder);
  assert.ok(path !== undefined && others.length === 0);
  return path;
}

function check(cache: UnwindTableCache, bytes: Uint8Array, fromCache: boolean): void {
  const found = cachedUnwindTable(elfOf(bytes), cache);
  assert.deepEqual(found, { table: built(bytes), fromCache });
}

describe("unwind table cache", () => {
  it("gives the table that was built, to the next process too", () => {
    using folder = temporaryFolder();
    const bytes = readFileSync("/bin/true");
    check(opened(folder), bytes, false);
    const cache = opened(folder);
    check(cache, bytes, true);
    assert.equal(cache.counts.hits, 1);
    assert.equal(lstatSync(onlyEntry(folder)).mode, PRIVATE_FILE);
  });

  it("builds without a cache", () => {
    const found = cachedUnwindTable(elfOf(fileWith(16)), undefined);
    assert.deepEqual(found, { table: built(fileWith(16)), fromCache: false });
  });

  it("keeps neither what is built at once nor what is missing", () => {
    using folder = temporaryFolder();
    check(opened(folder, { buildMsMin: 60_000 }), fileWith(16), false);
    const other = writeCfiElf({ frame: [], machine: 3 });
    assert.ok("missing" in cachedUnwindTable(elfOf(other), opened(folder)).table);
    assert.deepEqual(entries(folder), []);
  });

  it("gives a file that claims to be another its own table", () => {
    using folder = temporaryFolder();
    const cache = opened(folder);
    check(cache, fileWith(16), false);
    check(cache, fileWith(32), false);
    check(cache, fileWith(32), true);
    check(cache, fileWith(16), false);
    assert.deepEqual([cache.counts.hits, cache.counts.refused], [1, 2]);
    onlyEntry(folder);
  });

  it("never gives a changed file another table than its own", () => {
    using folder = temporaryFolder();
    const cache = opened(folder);
    const original = readFileSync("/bin/true");
    const random = new Random(SEED);
    for (let flip = 0; flip < FLIPS; flip++) {
      const bytes = Uint8Array.from(original);
      const at = random.below(bytes.length);
      bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
      let expected: unknown;
      try {
        expected = built(bytes);
      } catch {
        continue;
      }
      assert.deepEqual(cachedUnwindTable(elfOf(bytes), cache).table, expected, `at ${at}`);
    }
    assert.ok(cache.counts.hits > 0);
  });

  it("does not take what a file was before for what it is after", () => {
    using folder = temporaryFolder();
    const [before, after] = [fileWith(16), fileWith(32)].map((bytes) => bytesAccess(bytes, "f"));
    assert.ok(before !== undefined && after !== undefined);
    let current = before;
    const changing: RandomAccess = {
      ...before,
      read: (offset, length) => current.read(offset, length),
      readInto: (target, offset) => current.readInto(target, offset),
    };
    const elf = readElf(changing);
    const cache = opened(folder);
    cachedUnwindTable(elf, cache);
    current = after;
    assert.deepEqual(cachedUnwindTable(elf, cache).table, built(fileWith(32)));
  });

  it("refuses and replaces an entry that is changed anywhere", () => {
    using folder = temporaryFolder();
    const cache = opened(folder);
    const bytes = fileWith(16);
    check(cache, bytes, false);
    const entry = onlyEntry(folder);
    const whole = readFileSync(entry);
    for (let at = 0; at < whole.length; at++) {
      const changed = Uint8Array.from(whole);
      changed[at] = (changed[at] as number) ^ (1 << (at % 8));
      writeFileSync(entry, changed);
      assert.equal(cache.find(elfOf(bytes)), undefined, `changed at ${at}`);
    }
    check(cache, bytes, false);
    check(cache, bytes, true);
    assert.deepEqual(readFileSync(entry), whole);
  });

  it("refuses entries that are cut, longer or noise", () => {
    using folder = temporaryFolder();
    const cache = opened(folder);
    check(cache, fileWith(16), false);
    const entry = onlyEntry(folder);
    const whole = readFileSync(entry);
    const random = new Random(SEED);
    for (let round = 0; round < FLIPS; round++) {
      const changed = mutated(whole, readFileSync("/bin/true"), random);
      if (whole.equals(changed)) continue;
      writeFileSync(entry, changed);
      assert.equal(cache.find(elfOf(fileWith(16))), undefined, `round ${round}`);
    }
    for (const length of [0, 1, 151, 152, whole.length - 1]) {
      writeFileSync(entry, whole.subarray(0, length));
      assert.equal(cache.find(elfOf(fileWith(16))), undefined, `${length} bytes`);
    }
  });

  it("refuses an entry of other code", () => {
    using folder = temporaryFolder();
    check(opened(folder), fileWith(16), false);
    const other = new UnwindTableCache(tables(folder), new Uint8Array(32), { buildMsMin: 0 });
    check(other, fileWith(16), false);
    assert.equal(other.counts.refused, 1);
    onlyEntry(folder);
  });

  it("refuses an entry under another file's name, and a folder or a link there", () => {
    using folder = temporaryFolder();
    const cache = opened(folder);
    check(cache, fileWith(16), false);
    const first = onlyEntry(folder);
    const kept = folder.file("kept");
    renameSync(first, kept);
    symlinkSync(kept, first);
    assert.equal(cache.find(elfOf(fileWith(16))), undefined);
    check(cache, fileWith(16, 2), false);
    const second = entries(folder).find((path) => path !== first) as string;
    renameSync(kept, second);
    assert.equal(cache.find(elfOf(fileWith(16, 2))), undefined);
  });
});

describe("unwind table cache: room", () => {
  it("removes the entry that was not used for longest", () => {
    using folder = temporaryFolder();
    const cache = opened(folder, { entriesMax: 2 });
    check(cache, fileWith(16, 1), false);
    utimesSync(onlyEntry(folder), 1, 1);
    check(cache, fileWith(16, 2), false);
    for (const path of entries(folder)) utimesSync(path, 2, 2);
    check(cache, fileWith(16, 1), true);
    check(cache, fileWith(16, 3), false);
    check(cache, fileWith(16, 1), true);
    check(cache, fileWith(16, 2), false);
    assert.equal(cache.counts.evicted, 2);
  });

  it("holds its bytes, and leaves what is not its own", () => {
    using folder = temporaryFolder();
    const bytesMax = 2000;
    const cache = opened(folder, { bytesMax });
    writeFileSync(join(tables(folder), "other"), "x");
    for (let fdes = 1; fdes < 20; fdes++) check(cache, fileWith(16, fdes), false);
    const sizes = entries(folder).map((path) => lstatSync(path).size);
    assert.ok(sizes.reduce((sum, size) => sum + size) <= bytesMax + 1);
    assert.ok(sizes.length > 1 && cache.counts.evicted > 0);
    assert.ok(readdirSync(tables(folder)).includes("other"));
    check(opened(folder, { bytesMax: 10 }), fileWith(48), false);
  });

  it("does without where the disk is full", { skip: requirement("root") }, () => {
    using folder = temporaryFolder();
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=8k,mode=0700", "tmpfs", folder.path]);
    try {
      const cache = opened(folder);
      const bytes = readFileSync("/bin/bash");
      check(cache, bytes, false);
      check(cache, bytes, false);
      assert.deepEqual(entries(folder), []);
      assert.equal(cache.counts.failed, 2);
    } finally {
      execFileSync("umount", [folder.path]);
    }
  });

  it("is right for two processes at once that evict one another's entries", async () => {
    using folder = temporaryFolder();
    const program = join(import.meta.dirname, "testing/cache-user.ts");
    const run = () => promisify(execFile)(process.execPath, [program, folder.path]);
    await Promise.all([run(), run()]);
    assert.ok(entries(folder).every((path) => path.endsWith(".unwind")));
  });
});

describe("unwind table cache: folder", () => {
  it("is made with its parents, for its user alone", () => {
    using folder = temporaryFolder();
    const cache = openUnwindTableCache({ folder: folder.file("a/b") });
    assert.ok(cache instanceof UnwindTableCache);
    assert.equal(lstatSync(folder.file("a/b/unwind-tables")).mode & 0o777, 0o700);
  });

  for (const { name, make, reason } of [
    {
      name: "others may write into",
      make: (path: string) => chmodSync(join(path, "unwind-tables"), 0o777),
      reason: /others may write into/,
    },
    {
      name: "others may replace",
      make: (path: string) => chmodSync(path, 0o777),
      reason: /others may put another folder/,
    },
  ]) {
    it(`is not one that ${name}`, () => {
      using folder = temporaryFolder();
      mkdirSync(tables(folder));
      make(folder.path);
      const cache = openUnwindTableCache({ folder: folder.path });
      assert.match("missing" in cache ? cache.missing : "", reason);
    });
  }

  it("is no file, and not in /proc", () => {
    for (const path of ["/proc", "/dev/null", "/proc/self/status"]) {
      assert.ok("missing" in openUnwindTableCache({ folder: path }), path);
    }
  });
});
