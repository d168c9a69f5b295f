import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ProcessMapping } from "../../../linux/process-mapping.ts";
import { silentLogger } from "../../../support/logger.ts";
import type { Missing } from "../../../symbols/executable-file.ts";
import type { ImageOrigin, TrackedImage } from "../process-image.ts";
import { TableStore } from "./table-store.ts";
import {
  FakeClock,
  FakeLoader,
  FakeMapSet,
  FakeRegistry,
  mapped,
  PAGE_COUNT,
  programWith,
  turn,
} from "./testing/fakes.ts";
import { UnwindMaps } from "./unwind-maps.ts";
import { Unwinder } from "./unwinder.ts";

const KIB = 1024;
const MAIN = 0x40_0000;
const LIBC = 0x7f00_0000_0000;
const HEAP = 0x7e00_0000_0000;

class Setup {
  readonly clock = new FakeClock();
  readonly loader = new FakeLoader();
  readonly maps = new FakeMapSet();
  readonly files = new FakeRegistry();
  readonly store: TableStore;
  readonly unwinder: Unwinder;
  readonly running = new Map<number, TrackedImage>();

  constructor(files: Record<string, number | Missing> = { "/main": KIB, "/libc": 2 * KIB }) {
    for (const [path, found] of Object.entries(files)) this.loader.files.set(path, found);
    const { clock, loader } = this;
    this.store = new TableStore({ loader, slots: 99, bytesMax: 100 * KIB, clock });
    this.unwinder = new Unwinder({
      maps: new UnwindMaps(this.maps),
      store: this.store,
      executables: this.files.registry,
      clock,
      logger: silentLogger,
    });
  }

  /** A process that runs, and was sampled. */
  sampled(mappings: readonly ProcessMapping[], more: Partial<ImageOrigin> = {}): TrackedImage {
    const image = programWith(mappings, more);
    this.running.set(image.pid, image);
    this.unwinder.want(image);
    return image;
  }

  exit(image: TrackedImage): void {
    image.exitNs = image.program.exitNs = this.clock.monotonicNanos();
    if (this.running.get(image.pid) === image) this.running.delete(image.pid);
  }

  /** The program goes on, with what it maps anew in place of what was there. */
  nextGeneration(image: TrackedImage, ...displacing: readonly ProcessMapping[]): TrackedImage {
    const nowNs = this.clock.monotonicNanos();
    const next = image.nextGeneration(nowNs);
    for (const mapping of displacing) next.mappings.insert(mapping);
    image.exitNs = nowNs;
    this.running.set(image.pid, next);
    return next;
  }

  async follow(advanceMs = 0): Promise<void> {
    this.clock.advance(advanceMs);
    this.unwinder.follow((pid) => this.running.get(pid));
    await this.unwinder.settled();
  }

  /** Slots of the tables by which addresses are unwound; undefined where nothing is known. */
  slots(pid: number, ...addresses: readonly number[]): (number | undefined)[] {
    return addresses.map((address) => this.maps.find(pid, address)?.slot);
  }

  /** Everything ended: nothing is in any map, and no table is in use. */
  async assertEmpty(): Promise<void> {
    await this.follow();
    assert.equal(this.maps.mappings.entries.size, 0);
    assert.equal(this.maps.processes.entries.size, 0);
    const { processes, mappings } = this.unwinder.counters;
    assert.deepEqual({ processes, mappings }, { processes: 0, mappings: 0 });
    this.clock.advance(60_000);
    await this.store.expire();
    assert.equal(this.loader.inKernel.size, 0);
    assert.equal(this.store.counters.bytes, 0);
  }
}

const usual = (): ProcessMapping[] => [
  mapped(MAIN, "/main"),
  mapped(HEAP, ""),
  mapped(LIBC, "/libc"),
];

describe("Unwinder", () => {
  it("puts into the kernel where each table begins, and what has none", async () => {
    const setup = new Setup();
    const image = setup.sampled(usual());
    await setup.unwinder.settled();
    const [main, heap, libc] = [MAIN + 5, HEAP, LIBC + 0xffff].map((at) =>
      setup.maps.find(100, at),
    );
    const range = (start: number) => ({ start, end: start + 0x10000 });
    const byTable = { pageCount: PAGE_COUNT };
    assert.deepEqual(main, {
      ...range(MAIN),
      ...byTable,
      slot: main?.slot,
      tableStart: BigInt(MAIN),
    });
    assert.deepEqual(libc, {
      ...range(LIBC),
      ...byTable,
      slot: libc?.slot,
      tableStart: BigInt(LIBC),
    });
    assert.deepEqual(heap, { ...range(HEAP), slot: 0, pageCount: 0, tableStart: 0n });
    assert.deepEqual(setup.slots(100, MAIN - 1, MAIN + 0x10000), [undefined, undefined]);
    assert.equal(setup.loader.inKernel.get(main?.slot as number), "/main");
    assert.equal(setup.loader.inKernel.get(libc?.slot as number), "/libc");
    assert.ok(setup.maps.knows(100));
    setup.exit(image);
    await setup.assertEmpty();
  });

  it("guesses while a table is on its way, and each takes its place as it comes", async () => {
    const setup = new Setup();
    setup.loader.isHeld = true;
    const image = setup.sampled(usual());
    await turn();
    assert.ok(setup.maps.knows(100));
    const guess = { slot: 0, pageCount: 1 };
    for (const start of [MAIN, LIBC]) {
      const { slot, pageCount } = setup.maps.find(100, start) ?? {};
      assert.deepEqual({ slot, pageCount }, guess);
    }
    await setup.loader.release();
    await setup.unwinder.settled();
    assert.ok(setup.slots(100, MAIN, LIBC).every((slot) => slot !== undefined && slot > 0));
    setup.exit(image);
    await setup.assertEmpty();
  });

  it("shares a file's table between all processes and mappings", async () => {
    const setup = new Setup();
    const images = Array.from({ length: 20 }, (_, index) =>
      setup.sampled([...usual(), mapped(LIBC + 0x10_0000, "/libc")], { pid: 100 + index }),
    );
    await setup.unwinder.settled();
    assert.deepEqual(setup.loader.compiled.toSorted(), ["/libc", "/main"]);
    const slots = images.flatMap(({ pid }) => setup.slots(pid, LIBC, LIBC + 0x10_0000));
    assert.equal(new Set(slots).size, 1);
    for (const image of images.slice(1)) setup.exit(image);
    await setup.follow();
    await setup.follow(120_000);
    assert.equal(setup.store.counters.tables, 2);
    setup.exit(images[0] as TrackedImage);
    await setup.assertEmpty();
  });

  it("compiles first for the process that is sampled most", async () => {
    const setup = new Setup({ "/rare": KIB, "/often": KIB, "/busy": KIB });
    setup.loader.isHeld = true;
    const images = [
      setup.sampled([mapped(MAIN, "/rare")], { pid: 1 }),
      setup.sampled([mapped(MAIN, "/often")], { pid: 2 }),
      setup.sampled([mapped(MAIN, "/busy")], { pid: 3 }),
    ];
    for (const image of images) {
      for (let wants = 0; wants < image.pid; wants++) setup.unwinder.want(image);
    }
    await turn();
    await setup.loader.release();
    await setup.unwinder.settled();
    assert.deepEqual(setup.loader.compiled, ["/busy", "/often", "/rare"]);
  });

  it("follows what a process maps and replaces, at once", async () => {
    const setup = new Setup({ "/main": KIB, "/libc": KIB, "/late": KIB });
    const image = setup.sampled(usual());
    await setup.unwinder.settled();
    image.mappings.insert(mapped(LIBC + 0x10_0000, "/late"));
    await setup.follow();
    const [late] = setup.slots(100, LIBC + 0x10_0000);
    assert.equal(setup.loader.inKernel.get(late as number), "/late");
    // The library's place is used anew, half of it.
    image.mappings.insert({ ...mapped(LIBC + 0x10_0000, ""), end: BigInt(LIBC + 0x10_8000) });
    await setup.follow();
    assert.deepEqual(setup.slots(100, LIBC + 0x10_7fff), [0]);
    assert.deepEqual(setup.slots(100, LIBC + 0x10_8000), [late]);
    image.mappings.replaceBy(image.mappings.all().slice(0, 1));
    await setup.follow();
    assert.deepEqual(setup.slots(100, HEAP, LIBC, LIBC + 0x10_8000), Array(3).fill(undefined));
    setup.exit(image);
    await setup.assertEmpty();
  });

  it("places what was compiled for the generation before, and follows the next", async () => {
    const setup = new Setup({ "/main": KIB, "/libc": KIB, "/late": KIB });
    setup.loader.isHeld = true;
    const image = setup.sampled(usual());
    await turn();
    const next = setup.nextGeneration(image, mapped(LIBC, "/late"));
    await setup.loader.release();
    await setup.unwinder.settled();
    assert.ok((setup.slots(100, MAIN)[0] ?? 0) > 0);
    await setup.follow();
    const [main, late] = setup.slots(100, MAIN, LIBC);
    assert.equal(setup.loader.inKernel.get(main as number), "/main");
    assert.equal(setup.loader.inKernel.get(late as number), "/late");
    setup.exit(next);
    await setup.assertEmpty();
  });

  it("follows at once also a process with a file that has no table", async () => {
    const setup = new Setup({ "/main": { missing: "no call frame information" }, "/late": KIB });
    const image = setup.sampled([mapped(MAIN, "/main")]);
    await setup.unwinder.settled();
    for (let second = 0; second < 100; second++) await setup.follow(1000);
    image.mappings.insert(mapped(LIBC, "/late"));
    await setup.follow(1);
    assert.ok((setup.slots(100, LIBC)[0] ?? 0) > 0);
    setup.exit(image);
    await setup.assertEmpty();
  });

  it("tries again what was given up, less and less often", async () => {
    const setup = new Setup({ "/main": { missing: "off", kind: "given_up" } });
    const image = setup.sampled([mapped(MAIN, "/main")]);
    await setup.unwinder.settled();
    for (let second = 0; second < 1000; second++) {
      setup.unwinder.want(image);
      await setup.follow(1000);
    }
    const tries = setup.loader.compiled.length;
    assert.ok(tries >= 8 && tries <= 13, `${tries} tries`);
    // What the process maps meanwhile is no reason to try sooner.
    for (let change = 0; change < 20; change++) {
      image.mappings.insert(mapped(HEAP + change * 0x2_0000, ""));
      await setup.follow(1);
    }
    assert.equal(setup.loader.compiled.length, tries);
    setup.loader.files.set("/main", KIB);
    await setup.follow(300_000);
    assert.ok((setup.slots(100, MAIN)[0] ?? 0) > 0);
    setup.exit(image);
    await setup.assertEmpty();
  });

  for (const { name, end } of [
    { name: "ends", end: (): void => {} },
    {
      name: "runs another program",
      end: (setup: Setup): void => {
        setup.running.set(100, programWith([mapped(MAIN, "/next")]));
      },
    },
    {
      name: "ends, and its id is another process's",
      end: (setup: Setup): void => {
        setup.sampled([mapped(MAIN, "/next")]);
      },
    },
  ]) {
    for (const isIdentified of [true, false]) {
      const when = isIdentified ? "compiled" : "identified";
      it(`leaves nothing of a process that ${name} while its files are ${when}`, async () => {
        const setup = new Setup({ "/main": KIB, "/libc": KIB, "/next": KIB });
        const identifying = Promise.withResolvers<void>();
        if (isIdentified) setup.loader.isHeld = true;
        else setup.files.gate = identifying.promise;
        const image = setup.sampled(usual());
        await turn();
        setup.exit(image);
        end(setup);
        setup.unwinder.follow((pid) => setup.running.get(pid));
        identifying.resolve();
        await turn();
        await setup.loader.release();
        await setup.unwinder.settled();
        await turn();
        const next = setup.running.get(100);
        const [main, libc] = setup.slots(100, MAIN, LIBC);
        assert.equal(libc, undefined);
        assert.equal(setup.loader.inKernel.get(main ?? 0), next && "/next");
        if (next !== undefined) setup.exit(next);
        await setup.assertEmpty();
      });
    }
  }

  it("gives back the tables of a process that is not sampled, until it is again", async () => {
    const setup = new Setup();
    const [idle, busy] = [100, 101].map((pid) => setup.sampled(usual(), { pid })) as [
      TrackedImage,
      TrackedImage,
    ];
    await setup.unwinder.settled();
    for (let minute = 0; minute < 11; minute++) {
      setup.unwinder.want(busy);
      await setup.follow(60_000);
    }
    assert.deepEqual(
      [100, 101].map((pid) => setup.maps.knows(pid)),
      [false, true],
    );
    assert.deepEqual(setup.slots(100, MAIN), [undefined]);
    setup.unwinder.want(idle);
    await setup.unwinder.settled();
    assert.deepEqual(setup.slots(100, MAIN, LIBC), setup.slots(101, MAIN, LIBC));
    for (const image of [idle, busy]) setup.exit(image);
    await setup.assertEmpty();
  });

  it("takes of very many mappings those of files first, and counts the rest", async () => {
    const setup = new Setup();
    const code = Array.from({ length: 5000 }, (_, at) => mapped(0x1000_0000 + at * 0x2_0000, ""));
    const image = setup.sampled([...code, mapped(MAIN, "/main"), mapped(LIBC, "/libc")]);
    await setup.unwinder.settled();
    assert.ok(setup.slots(100, MAIN, LIBC).every((slot) => slot !== undefined && slot > 0));
    const { mappings, refusedMappings } = setup.unwinder.counters;
    assert.deepEqual({ mappings, refusedMappings }, { mappings: 4096, refusedMappings: 906 });
    setup.exit(image);
    await setup.assertEmpty();
  });

  it("walks nothing by a table that is unmapped while another file is compiled", async () => {
    const setup = new Setup({ "/main": KIB, "/a": KIB, "/b": KIB, "/slow": KIB });
    const image = setup.sampled([mapped(MAIN, "/main"), mapped(LIBC, "/a")]);
    await setup.follow();
    assert.ok((setup.slots(100, LIBC)[0] ?? 0) > 0);
    setup.loader.isHeld = true;
    image.mappings.insert(mapped(HEAP, "/slow"));
    setup.unwinder.follow(() => image);
    await turn();
    image.mappings.insert(mapped(LIBC, "/b"));
    setup.unwinder.follow(() => image);
    assert.deepEqual(setup.slots(100, LIBC), [0], "a guess, until its own table is there");
    assert.ok((setup.slots(100, MAIN)[0] ?? 0) > 0);
    await setup.loader.release();
    await setup.follow();
    await setup.follow();
    const [slot] = setup.slots(100, LIBC);
    assert.equal(setup.loader.inKernel.get(slot as number), "/b");
    setup.exit(image);
    await setup.assertEmpty();
  });

  it("takes of huge mappings only those that leave room for other processes", async () => {
    const setup = new Setup();
    const bytes = 0x1000_0000;
    const huge = Array.from({ length: 1000 }, (_, at) => ({
      ...mapped(0x2_0000_0000 + at * bytes, ""),
      start: BigInt(0x2_0000_0000 + at * bytes) + 4096n,
      end: BigInt(0x2_0000_0000 + (at + 1) * bytes) - 4096n,
    }));
    const image = setup.sampled([...huge, mapped(MAIN, "/main")]);
    await setup.unwinder.settled();
    assert.ok(setup.slots(100, MAIN).every((slot) => slot !== undefined && slot > 0));
    assert.ok(setup.maps.mappings.entries.size <= 8192, `${setup.maps.mappings.entries.size} keys`);
    assert.ok(setup.unwinder.counters.refusedMappings > 0);
    setup.exit(image);
    await setup.assertEmpty();
  });

  it("leaves a process out that has no room in the map, and tries again", async () => {
    const setup = new Setup();
    setup.maps.mappings.entriesMax = 5;
    const images = [1, 2, 3].map((pid) => setup.sampled(usual(), { pid }));
    await setup.unwinder.settled();
    assert.ok(setup.unwinder.counters.refusedMappings > 0);
    setup.maps.mappings.entriesMax = 1000;
    await setup.follow(1000);
    for (const { pid } of images) {
      assert.ok(setup.slots(pid, MAIN, LIBC).every((slot) => slot !== undefined && slot > 0));
    }
    for (const image of images) setup.exit(image);
    await setup.assertEmpty();
  });

  it("leaves a process out for which the map of processes has no room", async () => {
    const setup = new Setup();
    setup.maps.processes.entriesMax = 1;
    const images = [1, 2].map((pid) => setup.sampled(usual(), { pid }));
    await setup.unwinder.settled();
    assert.deepEqual(
      [1, 2].map((pid) => setup.maps.knows(pid)),
      [true, false],
    );
    assert.equal(setup.unwinder.counters.refusedProcesses, 1);
    for (const image of images) setup.exit(image);
    await setup.assertEmpty();
  });

  it("has the kernel know again a process of whose exec nobody was told", async () => {
    const setup = new Setup();
    const image = setup.sampled(usual());
    await setup.unwinder.settled();
    setup.maps.processes.entries.clear();
    setup.unwinder.want(image, true);
    assert.ok(!setup.maps.knows(100), "the sample may be from before it was known");
    setup.clock.advance(1000);
    setup.unwinder.want(image, true);
    assert.ok(setup.maps.knows(100));
    assert.equal(setup.unwinder.counters.processes, 1);
    setup.exit(image);
    await setup.assertEmpty();
  });

  it("loads what is wanted at once in several turns, and leaves none out", async () => {
    const setup = new Setup();
    const monotonic = setup.clock.monotonicNanos.bind(setup.clock);
    // Each look at the clock takes a millisecond.
    setup.clock.monotonicNanos = () => {
      setup.clock.advance(1);
      return monotonic();
    };
    const images = Array.from({ length: 50 }, (_, n) => setup.sampled(usual(), { pid: 200 + n }));
    const atOnce = images.filter(({ pid }) => setup.maps.knows(pid)).length;
    assert.ok(atOnce > 0 && atOnce < 20, `${atOnce} in the first turn`);
    for (const image of images.slice(25)) setup.exit(image);
    await setup.follow();
    assert.ok(images.slice(0, 25).every(({ pid }) => setup.maps.knows(pid)));
    for (const image of images.slice(0, 25)) setup.exit(image);
    await setup.assertEmpty();
  });

  it("goes on with the next generation of a program, and only loads what is new", async () => {
    const setup = new Setup({ "/main": KIB, "/libc": 2 * KIB, "/other": 3 * KIB });
    const image = setup.sampled(usual());
    await setup.unwinder.settled();
    const before = setup.slots(100, MAIN, LIBC);
    const next = setup.nextGeneration(image, mapped(LIBC, "/other"));
    setup.unwinder.follow((pid) => setup.running.get(pid));
    assert.ok(setup.maps.knows(100));
    assert.deepEqual(setup.slots(100, MAIN), [before[0]]);
    await setup.unwinder.settled();
    assert.ok(setup.maps.knows(100));
    const [main, other] = setup.slots(100, MAIN, LIBC);
    assert.equal(main, before[0]);
    assert.equal(setup.loader.inKernel.get(other ?? 0), "/other");
    assert.deepEqual(setup.loader.compiled.toSorted(), ["/libc", "/main", "/other"]);
    setup.exit(next);
    await setup.assertEmpty();
  });

  it("goes on with the next generation that is sampled before it is followed", async () => {
    const setup = new Setup();
    const image = setup.sampled(usual());
    await setup.unwinder.settled();
    const next = setup.nextGeneration(image);
    setup.unwinder.want(next);
    assert.ok(setup.slots(100, MAIN, LIBC).every((slot) => slot !== undefined && slot > 0));
    setup.exit(next);
    await setup.assertEmpty();
  });

  it("does not want what has no user stack, is not wholly known or has ended", async () => {
    const setup = new Setup();
    setup.sampled(usual(), { pid: 1, isKernelThread: true });
    setup.sampled(usual(), { pid: 2, isComplete: false });
    const ended = programWith(usual(), { pid: 3 });
    ended.exitNs = 5n;
    setup.unwinder.want(ended);
    await setup.assertEmpty();
  });

  it("ends while it loads: what waits is given up, and nothing is written any more", async () => {
    const setup = new Setup({ "/main": KIB, "/libc": KIB, "/next": KIB });
    const identifying = Promise.withResolvers<void>();
    setup.loader.isHeld = true;
    setup.sampled(usual());
    await turn();
    setup.files.gate = identifying.promise;
    setup.sampled([mapped(MAIN, "/next")], { pid: 101 });
    const ending = setup.unwinder.end();
    identifying.resolve();
    await setup.loader.release();
    await ending;
    assert.deepEqual(setup.loader.compiled, []);
    const written = setup.maps.mappings.entries.size;
    setup.sampled(usual(), { pid: 102 });
    await setup.follow(1000);
    assert.equal(setup.maps.mappings.entries.size, written);
    assert.deepEqual(setup.loader.compiled, []);
  });
});
