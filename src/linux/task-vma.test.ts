import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { requirement } from "../../test/support/requirements.ts";
import { readProcess } from "./proc.ts";
import { readTaskRecords, readVmaRecords, TaskScanner } from "./task-vma.ts";

function taskRecord(flags: number): Uint8Array {
  const bytes = new Uint8Array(40);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 7, true);
  view.setUint32(4, 8, true);
  view.setUint32(8, 1, true);
  view.setUint32(12, flags, true);
  view.setBigUint64(16, 5n, true);
  bytes.set(Buffer.from("fifteen bytes !"), 24);
  return bytes;
}

function vmaRecord(kind: number, path: string): Uint8Array {
  const text = Buffer.from(path === "" ? "" : `${path}\0`);
  const bytes = new Uint8Array(48 + ((text.length + 7) & ~7));
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, 0x1000n, true);
  view.setBigUint64(8, 0x3000n, true);
  view.setBigUint64(16, 1n, true);
  view.setBigUint64(24, 99n, true);
  view.setUint32(32, 7, true);
  view.setUint32(36, (254 << 20) | 3, true);
  view.setUint32(40, kind, true);
  view.setUint32(44, text.length, true);
  bytes.set(text, 48);
  return bytes;
}

describe("records of the iterators", () => {
  it("reads tasks", () => {
    const [plain, kernel, exiting] = readTaskRecords(
      Buffer.concat([taskRecord(0), taskRecord(0x200000), taskRecord(4)]),
    );
    assert.deepEqual(plain, {
      pid: 7,
      tid: 8,
      parentPid: 1,
      isKernelThread: false,
      isExiting: false,
      startNs: 5n,
      name: "fifteen bytes !",
    });
    assert.equal(kernel?.isKernelThread, true);
    assert.equal(exiting?.isExiting, true);
  });

  it("reads mappings", () => {
    const records = readVmaRecords(
      Buffer.concat([
        vmaRecord(1, "/bin/x (deleted)"),
        vmaRecord(0, ""),
        vmaRecord(2, ""),
        vmaRecord(1, "/1234567"),
      ]),
    );
    assert.deepEqual(
      records.map((record) => record.mapping.path),
      ["/bin/x", "", "[vdso]", "/1234567"],
    );
    assert.deepEqual(records[0]?.mapping.device, { major: 254, minor: 3 });
    assert.equal(records[0]?.mapping.inode, 99n);
    assert.ok((records[0]?.mapping.fileOffset ?? 0n) >= 4096n);
  });

  it("says so when they are cut off", () => {
    const vma = vmaRecord(1, "/bin/x");
    for (let length = 1; length < 48 + 7; length++) {
      assert.throws(() => readVmaRecords(vma.subarray(0, length)), { code: "INPUT_MALFORMED" });
    }
    assert.throws(() => readTaskRecords(new Uint8Array(41)), { code: "INPUT_MALFORMED" });
  });
});

describe("TaskScanner", { skip: requirement("root", "bpf") }, () => {
  it("finds what /proc tells of this process", () => {
    using scanner = TaskScanner.open();
    const tasks = scanner.tasks().filter((task) => task.pid === process.pid);
    const known = readProcess(process.pid);
    assert.deepEqual(tasks.map((task) => task.tid).sort(), [...(known?.threads ?? [])].sort());
    const file = (path: string): boolean => path.startsWith("/") || path === "[vdso]";
    const scanned = scanner.mappings().filter((each) => each.pid === process.pid);
    assert.deepEqual(
      scanned.map((each) => each.mapping).filter((mapping) => file(mapping.path)),
      known?.mappings.filter((mapping) => file(mapping.path)),
    );
  });
});
