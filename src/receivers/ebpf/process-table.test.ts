import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ProcessSnapshot } from "../../linux/proc.ts";
import { NO_DEVICE, type ProcessMapping } from "../../linux/process-mapping.ts";
import type { SideBandRecord } from "../../linux/side-band-records.ts";
import type { TaskRecord } from "../../linux/task-vma.ts";
import type { HostScan, ProcessSources } from "./process-sources.ts";
import { ProcessTable } from "./process-table.ts";

const SECOND = 1_000_000_000n;

function mapping(start: number, path: string): ProcessMapping {
  return {
    start: BigInt(start),
    end: BigInt(start + 100),
    fileOffset: 0n,
    path,
    buildId: "",
    device: NO_DEVICE,
    inode: 0n,
  };
}

const at = (seconds: number): { timeNs: bigint; cpu: number } => ({
  timeNs: BigInt(Math.round(seconds * 1e9)),
  cpu: 0,
});
const fork = (seconds: number, pid: number, parentPid: number, tid = pid): SideBandRecord => ({
  kind: "fork",
  ...at(seconds),
  pid,
  tid,
  parentPid,
  parentTid: parentPid,
});
const exec = (seconds: number, pid: number, name: string): SideBandRecord => ({
  kind: "comm",
  ...at(seconds),
  pid,
  tid: pid,
  name,
  exec: true,
});
const rename = (seconds: number, pid: number, tid: number, name: string): SideBandRecord => ({
  kind: "comm",
  ...at(seconds),
  pid,
  tid,
  name,
  exec: false,
});
const mmap = (seconds: number, pid: number, start: number, path: string): SideBandRecord => ({
  kind: "mmap",
  ...at(seconds),
  pid,
  mapping: mapping(start, path),
});
const exit = (seconds: number, pid: number, tid = pid): SideBandRecord => ({
  kind: "exit",
  ...at(seconds),
  pid,
  tid,
});
const lost = (seconds: number, count: number): SideBandRecord => ({
  kind: "lost",
  ...at(seconds),
  count,
});

function task(pid: number, name: string, more: Partial<TaskRecord> = {}): TaskRecord {
  return {
    pid,
    tid: pid,
    parentPid: 1,
    isKernelThread: false,
    isExiting: false,
    startNs: SECOND,
    name,
    ...more,
  };
}

/** A host whose events and state a test sets. */
class FakeHost implements ProcessSources {
  readonly memory = { bpfMapBytes: 0, ringBytes: 0 };
  tasks: TaskRecord[] = [task(1, "init"), task(2, "kthreadd", { isKernelThread: true })];
  mappings: HostScan["mappings"] = [{ pid: 1, mapping: mapping(1000, "/sbin/init") }];
  paths = new Map([[1, "/sbin/init"]]);
  snapshots = new Map<number, ProcessSnapshot>();
  records: SideBandRecord[] = [];
  seconds = 10;
  scans = 0;
  procReads = 0;
  isDisposed = false;
  isShort = false;

  nowNs(): bigint {
    return at(this.seconds).timeNs;
  }

  drain(): SideBandRecord[] {
    return this.records.splice(0);
  }

  scan(): HostScan {
    this.scans++;
    if (this.isShort) throw new Error("EMFILE");
    return { tasks: this.tasks, mappings: this.mappings };
  }

  executablePath(pid: number): string {
    return this.paths.get(pid) ?? "";
  }

  readProcess(pid: number): ProcessSnapshot | undefined {
    this.procReads++;
    return this.snapshots.get(pid);
  }

  [Symbol.dispose](): void {
    this.isDisposed = true;
  }
}

function tableAfter(host: FakeHost, ...records: SideBandRecord[]): ProcessTable {
  const table = new ProcessTable(host);
  feed(host, table, ...records);
  return table;
}

function feed(host: FakeHost, table: ProcessTable, ...records: SideBandRecord[]): void {
  host.records.push(...records);
  table.drain();
}

function described(table: ProcessTable, pid: number, seconds: number): string {
  const image = table.imageAt(pid, at(seconds).timeNs);
  return image === undefined ? "" : `${image.processName} ${image.executablePath}`;
}

const shellRunsTrue = [
  fork(11, 50, 1),
  exec(12, 50, "sh"),
  mmap(12.1, 50, 5000, "/bin/sh"),
  mmap(12.2, 50, 6000, "/lib/ld.so"),
  exec(14, 50, "true"),
  mmap(14.1, 50, 7000, "/bin/true"),
  exit(16, 50),
];

describe("ProcessTable", () => {
  it("knows what ran before its start", () => {
    const table = tableAfter(new FakeHost());
    assert.equal(described(table, 1, 10), "init /sbin/init");
    assert.equal(table.imageAt(1, at(10).timeNs)?.findMapping(1050, 0)?.path, "/sbin/init");
    assert.equal(table.imageAt(2, at(10).timeNs)?.isKernelThread, true);
  });

  it("gives each time the program that ran then, after all of them ended", () => {
    const table = tableAfter(new FakeHost(), ...shellRunsTrue);
    assert.deepEqual(
      [11.5, 12.5, 13.99, 14, 15, 17].map((seconds) => described(table, 50, seconds)),
      [
        "init /sbin/init",
        "sh /bin/sh",
        "sh /bin/sh",
        "true /bin/true",
        "true /bin/true",
        "true /bin/true",
      ],
    );
    const shell = table.imageAt(50, at(13).timeNs);
    assert.deepEqual(
      [1050, 5050, 6050, 7050].map((address) => shell?.findMapping(address, 0)?.path),
      [undefined, "/bin/sh", "/lib/ld.so", undefined],
    );
    assert.equal(shell?.exitNs, at(14).timeNs);
    assert.equal(table.imageAt(50, at(15).timeNs)?.parentPid, 1);
  });

  it("gives nothing before a process and long after it", () => {
    const table = tableAfter(new FakeHost(), ...shellRunsTrue);
    assert.deepEqual([described(table, 50, 10), described(table, 50, 30)], ["", ""]);
  });

  it("makes a new image when a pid is used again", () => {
    const reuse = [fork(17, 50, 1), exec(17.1, 50, "other"), mmap(17.2, 50, 8000, "/bin/other")];
    const table = tableAfter(new FakeHost(), ...shellRunsTrue, ...reuse);
    assert.deepEqual(
      [15, 16.5, 18].map((seconds) => described(table, 50, seconds)),
      ["true /bin/true", "true /bin/true", "other /bin/other"],
    );
  });

  it("has one process for the programs of a pid, until the pid is used again", () => {
    const reuse = [fork(17, 50, 1), exec(17.1, 50, "other")];
    const table = tableAfter(new FakeHost(), ...shellRunsTrue, ...reuse);
    const [shell, program, other] = [13, 15, 18].map(
      (seconds) => table.imageAt(50, at(seconds).timeNs)?.process,
    );
    assert.ok(shell !== undefined && shell === program);
    assert.notEqual(program, other);
  });

  it("makes a new image when a pid is used again and its end was lost", () => {
    const table = tableAfter(new FakeHost(), fork(11, 50, 1), exec(12, 50, "sh"), fork(20, 50, 2));
    assert.equal(table.imageAt(50, at(15).timeNs)?.exitNs, at(20).timeNs);
    assert.equal(table.imageAt(50, at(21).timeNs)?.isKernelThread, true);
  });

  it("names threads, and ends a process with its last one", () => {
    const host = new FakeHost();
    const table = tableAfter(
      host,
      fork(11, 50, 1),
      exec(11.1, 50, "main"),
      fork(12, 50, 50, 51),
      rename(12.1, 50, 51, "worker"),
      exit(13, 50),
    );
    const image = table.imageAt(50, at(14).timeNs);
    assert.equal(image?.threadName(50), "main");
    assert.equal(image?.threadName(51), "worker");
    assert.equal(image?.processName, "main");
    assert.equal(image?.exitNs, undefined);
    feed(host, table, exit(15, 50, 51));
    assert.equal(image?.exitNs, at(15).timeNs);
  });

  it("ignores records that the scan has seen already", () => {
    const host = new FakeHost();
    host.tasks.push(task(60, "svc", { startNs: at(9.9).timeNs }), task(60, "t", { tid: 61 }));
    host.paths.set(60, "/bin/svc");
    const table = tableAfter(host, fork(9.9001, 60, 1), fork(9.95, 60, 60, 61), exit(11, 60, 61));
    assert.equal(table.counters.images, 3);
    assert.equal(described(table, 60, 11), "svc /bin/svc");
    feed(host, table, exit(12, 60));
    assert.equal(table.counters.endedImages, 1);
  });

  it("gives all back after expire", () => {
    const host = new FakeHost();
    const table = tableAfter(host);
    const before = table.counters.images;
    for (let pid = 100; pid < 3100; pid++) {
      const start = 11 + pid / 1000;
      host.records.push(fork(start, pid, 1), exec(start, pid, "x"), exit(start, pid));
    }
    table.drain();
    assert.ok(table.counters.images > before + 3000);
    table.expire(at(100).timeNs);
    assert.equal(table.counters.images, before);
    assert.equal(table.counters.endedImages, 0);
    assert.equal(described(table, 1, 20), "init /sbin/init");
  });

  it("holds its limit of images under a storm, ended ones going first", () => {
    const host = new FakeHost();
    const table = tableAfter(host, fork(10.5, 99, 1), exec(10.6, 99, "stays"));
    for (let round = 0; round < 70_000; round++) {
      host.records.push(exec(11 + round / 1000, 98, "storm"));
    }
    table.drain();
    assert.ok(table.counters.images <= 65_536, String(table.counters.images));
    assert.ok(table.counters.evictedImages > 4000);
    assert.equal(described(table, 99, 90), "stays ");
  });

  it("scans again after lost records, at most once a second", () => {
    const host = new FakeHost();
    const table = tableAfter(host, fork(10.1, 50, 1), exec(10.2, 50, "gone"));
    host.tasks = [task(1, "init"), task(70, "missed", { startNs: at(10.3).timeNs })];
    host.paths.set(70, "/bin/missed");
    host.mappings = [...host.mappings, { pid: 70, mapping: mapping(9000, "/bin/missed") }];
    host.seconds = 10.5;
    feed(host, table, lost(10.4, 7));
    assert.deepEqual([host.scans, table.counters.lostRecords], [1, 7]);
    host.seconds = 11.5;
    table.drain();
    assert.deepEqual([host.scans, table.counters.rescans], [2, 1]);
    assert.equal(described(table, 70, 11), "missed /bin/missed");
    assert.equal(table.imageAt(70, at(11).timeNs)?.findMapping(9001, 0)?.path, "/bin/missed");
    assert.equal(table.imageAt(50, at(11).timeNs)?.exitNs, at(11.5).timeNs);
  });

  it("sees by a scan that a process runs another program", () => {
    const host = new FakeHost();
    const table = tableAfter(host);
    host.tasks = [task(1, "systemd")];
    host.paths.set(1, "/lib/systemd");
    host.seconds = 12;
    feed(host, table, lost(11, 1));
    assert.deepEqual(
      [11, 13].map((seconds) => described(table, 1, seconds)),
      ["init /sbin/init", "systemd /lib/systemd"],
    );
  });

  it("reads an unknown process from /proc once, and no more than some between two drains", () => {
    const host = new FakeHost();
    const table = tableAfter(host);
    host.snapshots.set(80, {
      pid: 80,
      parentPid: 1,
      name: "late",
      isKernelThread: false,
      startNs: at(5).timeNs,
      executablePath: "/bin/late",
      threads: [80],
      mappings: [mapping(4000, "/bin/late")],
    });
    assert.equal(described(table, 80, 10), "late /bin/late");
    assert.equal(described(table, 80, 10), "late /bin/late");
    assert.equal(host.procReads, 1);
    for (let pid = 1000; pid < 2000; pid++) table.imageAt(pid, at(10).timeNs);
    assert.equal(host.procReads, 16);
    table.drain();
    assert.equal(table.imageAt(1000, at(10).timeNs), undefined);
    assert.equal(host.procReads, 17);
  });

  it("does not give a process the name of a younger one with its pid", () => {
    const host = new FakeHost();
    const table = tableAfter(host);
    host.snapshots.set(80, {
      pid: 80,
      parentPid: 1,
      name: "young",
      isKernelThread: false,
      startNs: at(9).timeNs,
      executablePath: "",
      threads: [80],
      mappings: [],
    });
    assert.equal(table.imageAt(80, at(8).timeNs), undefined);
  });

  it("names an unknown process by its sample, with one image for all of them", () => {
    const table = tableAfter(new FakeHost());
    const first = table.imageOrUnknown(90, at(10).timeNs, "ghost");
    assert.equal(first.processName, "ghost");
    assert.equal(table.imageOrUnknown(90, at(10.1).timeNs, "ghost"), first);
    assert.notEqual(table.imageOrUnknown(90, at(10.2).timeNs, "other"), first);
  });

  it("completes a process that only a record told of", () => {
    const host = new FakeHost();
    const table = tableAfter(host, mmap(11, 80, 4000, "/lib/plugin.so"));
    host.snapshots.set(80, {
      pid: 80,
      parentPid: 1,
      name: "late",
      isKernelThread: false,
      startNs: at(5).timeNs,
      executablePath: "/bin/late",
      threads: [80, 81],
      mappings: [mapping(3000, "/bin/late"), mapping(4000, "/lib/plugin.so")],
    });
    assert.equal(described(table, 80, 10), "late /bin/late");
    feed(host, table, exit(12, 80), exit(13, 80, 81));
    assert.equal(table.imageAt(80, at(11).timeNs)?.exitNs, at(13).timeNs);
  });

  it("goes on when a scan fails, and tries again", () => {
    const host = new FakeHost();
    const table = tableAfter(host);
    host.isShort = true;
    host.seconds = 12;
    feed(host, table, lost(11, 1));
    assert.equal(table.counters.failedScans, 1);
    host.isShort = false;
    host.seconds = 13;
    table.drain();
    assert.equal(table.counters.rescans, 1);
  });

  it("passes its disposal on", () => {
    const host = new FakeHost();
    tableAfter(host)[Symbol.dispose]();
    assert.equal(host.isDisposed, true);
  });
});

describe("ProcessTable, when files take the place of others", () => {
  const program = [
    fork(11, 50, 1),
    exec(12, 50, "main"),
    mmap(12.1, 50, 5000, "/bin/main"),
    fork(12.2, 50, 50, 51),
    rename(12.3, 50, 51, "worker"),
    mmap(13, 50, 6000, "/lib/a.so"),
    mmap(13, 50, 8000, ""),
  ];
  const pathAt = (table: ProcessTable, seconds: number, address = 6050): string | undefined =>
    table.imageAt(50, at(seconds).timeNs)?.findMapping(address, 0)?.path;

  it("keeps for each time what was mapped then", () => {
    const table = tableAfter(new FakeHost(), ...program, mmap(15, 50, 6010, "/lib/b.so"));
    assert.deepEqual(
      [14.9, 15, 16].map((seconds) => pathAt(table, seconds)),
      ["/lib/a.so", "/lib/b.so", "/lib/b.so"],
    );
    assert.deepEqual(
      [pathAt(table, 14, 5050), pathAt(table, 16, 5050)],
      ["/bin/main", "/bin/main"],
    );
  });

  it("goes on as the same program, with its names, threads and mappings", () => {
    const host = new FakeHost();
    const table = tableAfter(host, ...program, mmap(15, 50, 6000, "/lib/b.so"));
    const [before, after] = [14, 16].map((seconds) => table.imageAt(50, at(seconds).timeNs));
    assert.ok(before !== undefined && after !== undefined && before !== after);
    assert.equal(after.process, before.process);
    assert.equal(after.program, before.program);
    assert.deepEqual([before.exitNs, after.exitNs], [at(15).timeNs, undefined]);
    assert.equal(after.program.exitNs, undefined);
    for (const image of [before, after]) {
      assert.equal(`${image.processName} ${image.executablePath}`, "main /bin/main");
      assert.deepEqual(
        [50, 51].map((tid) => image.threadName(tid)),
        ["main", "worker"],
      );
      assert.equal(image.parentPid, 1);
    }
    assert.equal(after.mappings.all()[0], before.mappings.all()[0]);
    feed(host, table, exit(17, 50), exit(18, 50, 51));
    assert.deepEqual([after.exitNs, after.program.exitNs], [at(18).timeNs, at(18).timeNs]);
    feed(host, table, fork(20, 50, 1), exec(21, 50, "next"));
    assert.notEqual(table.imageAt(50, at(22).timeNs)?.program, after.program);
  });

  it("has another program after an exec", () => {
    const table = tableAfter(new FakeHost(), ...program, exec(15, 50, "next"));
    const [before, after] = [14, 16].map((seconds) => table.imageAt(50, at(seconds).timeNs));
    assert.equal(after?.process, before?.process);
    assert.notEqual(after?.program, before?.program);
    assert.equal(before?.program.exitNs, at(15).timeNs);
  });

  const changes = [
    { name: "anonymous memory by anonymous memory", change: mmap(15, 50, 8010, ""), images: 0 },
    { name: "a file by itself", change: mmap(15, 50, 6000, "/lib/a.so"), images: 0 },
    { name: "nothing", change: mmap(15, 50, 7000, "/lib/b.so"), images: 0 },
    { name: "what ends where it begins", change: mmap(15, 50, 6100, "/lib/b.so"), images: 0 },
    { name: "a file by anonymous memory", change: mmap(15, 50, 6050, ""), images: 1 },
    { name: "anonymous memory by a file", change: mmap(15, 50, 7950, "/lib/b.so"), images: 1 },
  ];
  for (const { name, change, images } of changes) {
    it(`adds ${images} images for the displacement of ${name}`, () => {
      const host = new FakeHost();
      const table = tableAfter(host, ...program);
      const before = table.counters.images;
      feed(host, table, change);
      assert.equal(table.counters.images, before + images);
    });
  }

  it("forgets what was displaced before", () => {
    const host = new FakeHost();
    const table = tableAfter(host, ...program, mmap(15, 50, 6000, "/lib/b.so"));
    const { images } = table.counters;
    table.expire(at(15.5).timeNs);
    // The image before the exec ended as well.
    assert.equal(table.counters.images, images - 2);
    assert.deepEqual([pathAt(table, 14), pathAt(table, 16)], [undefined, "/lib/b.so"]);
  });

  it("holds the pace and the number of generations of a program", () => {
    const host = new FakeHost();
    const table = tableAfter(host, ...program);
    const { images } = table.counters;
    const swaps = (from: number, count: number, seconds: number): SideBandRecord[] =>
      Array.from({ length: count }, (_, i) =>
        mmap(from + i * seconds, 50, 6000, i % 2 === 0 ? "/lib/b.so" : "/lib/a.so"),
      );
    feed(host, table, ...swaps(15, 101, 0.001));
    assert.equal(table.counters.images, images + 3);
    assert.equal(table.counters.refusedGenerations, 98);
    assert.equal(pathAt(table, 15.2), "/lib/b.so");
    feed(host, table, ...swaps(16.001, 200, 0.1));
    assert.equal(table.counters.images, images + 64);
    assert.equal(pathAt(table, 40), "/lib/a.so");
    table.expire(at(39).timeNs);
    feed(host, table, mmap(41, 50, 6000, "/lib/b.so"));
    assert.deepEqual([pathAt(table, 40), pathAt(table, 41)], ["/lib/a.so", "/lib/b.so"]);
  });

  it("does not fill the history with the mappings of one program", () => {
    const host = new FakeHost();
    const table = tableAfter(host, ...program);
    for (let i = 0; i < 30_000; i++) host.records.push(mmap(14, 50, 10_000 + i * 100, `/${i % 2}`));
    const { images } = table.counters;
    feed(host, table, mmap(15, 50, 6000, "/b"), mmap(16, 50, 6000, "/a"), mmap(17, 50, 6000, "/b"));
    assert.equal(table.counters.images, images + 2);
    assert.equal(table.counters.refusedGenerations, 1);
  });

  it("sees it by a scan", () => {
    const host = new FakeHost();
    const table = tableAfter(host);
    host.mappings = [{ pid: 1, mapping: mapping(1000, "/sbin/other") }];
    host.seconds = 12;
    feed(host, table, lost(11, 1));
    const pathOf = (seconds: number): string | undefined =>
      table.imageAt(1, at(seconds).timeNs)?.findMapping(1050, 0)?.path;
    assert.deepEqual([pathOf(11), pathOf(13)], ["/sbin/init", "/sbin/other"]);
  });
});
