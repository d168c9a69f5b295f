import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isMissing, type Missing } from "../../../symbols/executable-file.ts";
import { type StoredTable, TableStore } from "./table-store.ts";
import { FakeClock, FakeLoader, fileNamed } from "./testing/fakes.ts";

const MIB = 1024 * 1024;

interface Store {
  readonly store: TableStore;
  readonly loader: FakeLoader;
  readonly clock: FakeClock;
}

/** A store of 10 MiB that can load these files. */
function storeOf(files: Record<string, number | Missing>): Store {
  const loader = new FakeLoader();
  for (const [key, found] of Object.entries(files)) loader.files.set(key, found);
  const clock = new FakeClock();
  const store = new TableStore({ loader, slots: 99, bytesMax: 10 * MIB, clock });
  return { store, loader, clock };
}

function acquire({ store }: Store, key: string, demand = 1): Promise<StoredTable | Missing> {
  return store.acquire(fileNamed(key), () => demand);
}

async function table(given: Store, key: string): Promise<StoredTable> {
  const found = await acquire(given, key);
  assert.ok(!isMissing(found), JSON.stringify(found));
  return found;
}

/** Nobody uses a table any more: all of them go when they are old. */
async function assertNoUsers({ store, loader, clock }: Store): Promise<void> {
  clock.advance(60_000);
  await store.expire();
  assert.equal(store.counters.tables, 0);
  assert.equal(store.counters.bytes, 0);
  assert.equal(loader.inKernel.size, 0);
}

describe("TableStore", () => {
  it("loads a table once for all who ask, at once and later", async () => {
    const given = storeOf({ libc: 2 * MIB });
    const tables = await Promise.all([table(given, "libc"), table(given, "libc")]);
    tables.push(await table(given, "libc"));
    assert.equal(new Set(tables.map(({ slot }) => slot)).size, 1);
    assert.deepEqual(given.loader.compiled, ["libc"]);
    assert.equal(given.store.counters.bytes, 2 * MIB);
    for (const one of tables) given.store.release(one);
    await assertNoUsers(given);
  });

  it("counts what the kernel has not let go of, and tries again", async () => {
    const given = storeOf({ libc: 6 * MIB });
    const { store, loader, clock } = given;
    store.release(await table(given, "libc"));
    loader.dropsFail = true;
    clock.advance(60_000);
    await store.expire();
    assert.equal(store.counters.bytes, 6 * MIB);
    assert.equal(loader.inKernel.size, 1);
    loader.dropsFail = false;
    await store.expire();
    await assertNoUsers(given);
  });

  it("gives who has half of the memory no more while others need it, but shares", async () => {
    const given = storeOf({ large: 6 * MIB, next: MIB, small: MIB });
    const { store } = given;
    const large = await table(given, "large");
    const held = (): number => 6 * MIB;
    const refused = await store.acquire(fileNamed("next"), () => 1, held);
    assert.ok(isMissing(refused));
    assert.equal(store.counters.noRoom, 1);
    const small = await table(given, "small");
    const shared = await store.acquire(fileNamed("small"), () => 1, held);
    assert.ok(!isMissing(shared));
    for (const one of [large, small, shared]) store.release(one);
    await assertNoUsers(given);
  });

  it("keeps a table for a minute after its last user, and no longer", async () => {
    const given = storeOf({ libc: MIB });
    const { store, clock } = given;
    const libc = await table(given, "libc");
    store.share(libc);
    store.release(libc);
    clock.advance(100_000);
    await store.expire();
    assert.equal(store.counters.tables, 1);
    store.release(libc);
    clock.advance(59_999);
    await store.expire();
    assert.equal(store.counters.tables, 1);
    store.release(await table(given, "libc"));
    clock.advance(59_999);
    await store.expire();
    assert.equal(store.counters.tables, 1);
    await assertNoUsers(given);
  });

  it("loads a table anew that was let go of meanwhile, into a slot of its own", async () => {
    const given = storeOf({ libc: MIB });
    const { store, loader, clock } = given;
    const first = await table(given, "libc");
    store.release(first);
    clock.advance(60_000);
    loader.isHeld = true;
    const expiring = store.expire();
    const second = acquire(given, "libc");
    await loader.release();
    await expiring;
    const found = await second;
    assert.ok(!isMissing(found));
    assert.deepEqual([...loader.inKernel], [[found.slot, "libc"]]);
    store.release(found);
    await assertNoUsers(given);
  });

  it("takes out what was used least recently, and no more than it must", async () => {
    const given = storeOf({ a: 3 * MIB, b: 3 * MIB, c: 3 * MIB, d: 4 * MIB });
    const { store, loader, clock } = given;
    const tables = new Map<string, StoredTable>();
    for (const key of ["a", "b", "c"]) tables.set(key, await table(given, key));
    for (const key of ["b", "a", "c"]) {
      clock.advance(1);
      store.release(tables.get(key) as StoredTable);
    }
    await table(given, "d");
    assert.deepEqual([...loader.inKernel.values()].toSorted(), ["a", "c", "d"]);
    assert.equal(store.counters.evicted, 1);
    assert.equal(store.counters.noRoom, 0);
  });

  it("leaves what is in use, and counts what has no room", async () => {
    const given = storeOf({ a: 6 * MIB, b: 6 * MIB });
    const { store, loader } = given;
    const a = await table(given, "a");
    assert.ok(isMissing(await acquire(given, "b")));
    assert.ok(isMissing(await acquire(given, "b")));
    assert.deepEqual([...loader.inKernel.values()], ["a"]);
    const { noRoom, evicted, withoutTable, bytes } = store.counters;
    assert.deepEqual(
      { noRoom, evicted, withoutTable, bytes },
      { noRoom: 2, evicted: 0, withoutTable: 0, bytes: 6 * MIB },
    );
    store.release(a);
    store.release(await table(given, "b"));
    assert.deepEqual([...loader.inKernel.values()], ["b"]);
    await assertNoUsers(given);
  });

  it("compiles a table that has no room only once", async () => {
    const given = storeOf({ small: MIB, huge: 11 * MIB });
    for (let turn = 0; turn < 5; turn++) assert.ok(isMissing(await acquire(given, "huge")));
    assert.deepEqual(given.loader.compiled, ["huge"]);
    assert.equal(given.store.counters.noRoom, 5);
    given.store.release(await table(given, "small"));
    await assertNoUsers(given);
  });

  it("never has more in the kernel than its budget, whatever is asked at once", async () => {
    const keys = Array.from({ length: 30 }, (_, index) => `file ${index}`);
    const given = storeOf(Object.fromEntries(keys.map((key, at) => [key, ((at % 7) + 1) * MIB])));
    const { store, loader } = given;
    for (let round = 0; round < 3; round++) {
      const found = await Promise.all(keys.map((key) => acquire(given, key)));
      const tables = found.filter((one): one is StoredTable => !isMissing(one));
      assert.ok(tables.length >= 2 && tables.length < keys.length);
      assert.ok(store.counters.bytes <= 10 * MIB);
      assert.equal(store.counters.bytes, loader.bytes);
      for (const one of tables) store.release(one);
    }
    assert.ok(loader.bytesMost <= 10 * MIB, `${loader.bytesMost / MIB} MiB`);
    await assertNoUsers(given);
  });

  it("compiles first what is wanted most by all who wait for it", async () => {
    const given = storeOf({ a: MIB, b: MIB, c: MIB });
    const { loader } = given;
    loader.isHeld = true;
    const waiting = [acquire(given, "a", 5), acquire(given, "b", 3), acquire(given, "c", 1)];
    waiting.push(acquire(given, "b", 3), acquire(given, "c", 2));
    await loader.release();
    await Promise.all(waiting);
    assert.deepEqual(loader.compiled, ["b", "a", "c"]);
  });

  it("does not ask again for five minutes for what has no table", async () => {
    const given = storeOf({ script: { missing: "no call frame information" } });
    const { store, loader, clock } = given;
    for (let turn = 0; turn < 3; turn++) assert.ok(isMissing(await acquire(given, "script")));
    assert.deepEqual(loader.compiled, ["script"]);
    assert.equal(store.counters.withoutTable, 1);
    clock.advance(300_000);
    loader.files.set("script", MIB);
    store.release(await table(given, "script"));
    await assertNoUsers(given);
  });

  it("asks again for what was given up, not for its own fault", async () => {
    const given = storeOf({ libc: { missing: "too many at once", kind: "given_up" } });
    const answers = await Promise.all([acquire(given, "libc"), acquire(given, "libc")]);
    assert.ok(answers.every(isMissing));
    assert.equal(given.store.counters.withoutTable, 0);
    given.loader.files.set("libc", MIB);
    given.store.release(await table(given, "libc"));
    await assertNoUsers(given);
  });

  it("forgets the oldest of very many files without a table", async () => {
    const given = storeOf({});
    for (let file = 0; file < 4100; file++) await acquire(given, `script ${file}`);
    assert.equal(given.store.counters.withoutTable, 4096);
  });

  it("gives nothing after it was cancelled, and leaves nothing", async () => {
    const given = storeOf({ a: MIB, b: MIB });
    const { store, loader } = given;
    loader.isHeld = true;
    const waiting = acquire(given, "a");
    await store.cancel();
    assert.ok(isMissing(await waiting));
    const later = acquire(given, "b");
    await loader.release();
    assert.ok(isMissing(await later));
    assert.deepEqual(loader.compiled, []);
    await assertNoUsers(given);
  });
});
