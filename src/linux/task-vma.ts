/**
 * What runs and what it has mapped, at one moment, from the iterators of bpf/task_vma.bpf.c.
 * One scan of a whole host takes a few milliseconds and opens nothing of the processes.
 *
 *   task record            vma record
 *   0   4  process id      0   8  start
 *   4   4  thread id       8   8  end
 *   8   4  parent process  16  8  file offset in pages
 *   12  4  flags (PF_*)    24  8  inode
 *   16  8  start time      32  4  process id
 *   24  16 name            36  4  device: major << 20 | minor
 *                          40  4  kind: 0 anonymous, 1 file, 2 vdso
 *                          44  4  path bytes, NUL included
 *                          48  …  path, padded to 8
 */
import { closeSync, readSync } from "node:fs";
import { decodeUtf8 } from "../support/byte-reader.ts";
import { limitExceeded, malformed } from "../support/errors.ts";
import { type BpfLink, BpfObject, bpfObjectPath } from "./bpf.ts";
import { systemErrorName } from "./errno.ts";
import { pageSize } from "./libc.ts";
import { mappingPath, NO_DEVICE, type ProcessMapping } from "./process-mapping.ts";

export interface TaskRecord {
  readonly pid: number;
  readonly tid: number;
  readonly parentPid: number;
  readonly isKernelThread: boolean;
  /** On its way out, so its EXIT record may have been written already. */
  readonly isExiting: boolean;
  /** CLOCK_MONOTONIC. */
  readonly startNs: bigint;
  readonly name: string;
}

export interface VmaRecord {
  readonly pid: number;
  readonly mapping: ProcessMapping;
}

/** Of one scan; 10,000 processes with 20 executable mappings each are 20 MB. */
export const SCAN_BYTES_MAX: number = 256 * 1024 * 1024;

/** The kernel gives 32 KiB at a time, and whole records only. */
const READ_BYTES = 64 * 1024;
/** The kernel pauses with EAGAIN after a million objects that gave no record. */
const READ_RETRIES_MAX = 64;

/** The iterators, loaded once and read as often as needed. */
export class TaskScanner implements Disposable {
  readonly #resources: DisposableStack;
  readonly #tasks: BpfLink;
  readonly #vmas: BpfLink;

  /** Kernel memory of the iterators' maps. */
  readonly mapBytes: number;

  private constructor(
    resources: DisposableStack,
    { tasks, vmas, mapBytes }: { tasks: BpfLink; vmas: BpfLink; mapBytes: number },
  ) {
    this.#resources = resources;
    this.#tasks = tasks;
    this.#vmas = vmas;
    this.mapBytes = mapBytes;
  }

  /** @throws CollectorError  the object is missing or the kernel refuses it */
  static open(objectPath: string = bpfObjectPath("task_vma")): TaskScanner {
    using stack = new DisposableStack();
    const object = stack.use(BpfObject.load(objectPath));
    const tasks = stack.use(object.program("iterate_tasks").attachIterator(iteratorOptions()));
    const vmas = stack.use(object.program("iterate_vmas").attachIterator(iteratorOptions()));
    return new TaskScanner(stack.move(), { tasks, vmas, mapBytes: object.mapBytes() });
  }

  /** Every thread of the host that is not a zombie. */
  tasks(): TaskRecord[] {
    return readTaskRecords(readIterator(this.#tasks));
  }

  /** Every executable mapping of the host; those of one process follow one another in order. */
  mappings(): VmaRecord[] {
    return readVmaRecords(readIterator(this.#vmas));
  }

  [Symbol.dispose](): void {
    this.#resources.dispose();
  }
}

/** struct bpf_iter_attach_opts: its size, then no link_info, thus every process. */
function iteratorOptions(): Uint8Array {
  const options = new Uint8Array(24);
  options[0] = options.length;
  return options;
}

function readIterator(link: BpfLink): Uint8Array {
  const fd = link.createIterator();
  try {
    return readAll(fd);
  } finally {
    closeSync(fd);
  }
}

function readAll(fd: number): Uint8Array {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for (;;) {
    const chunk = new Uint8Array(READ_BYTES);
    const byteCount = readPatiently(fd, chunk);
    if (byteCount === 0) return Buffer.concat(chunks, total);
    total += byteCount;
    if (total > SCAN_BYTES_MAX) throw limitExceeded("process scan", "bytes", total, SCAN_BYTES_MAX);
    chunks.push(chunk.subarray(0, byteCount));
  }
}

function readPatiently(fd: number, chunk: Uint8Array): number {
  for (let attempt = 1; ; attempt++) {
    try {
      return readSync(fd, chunk);
    } catch (error) {
      if (systemErrorName(error) !== "EAGAIN" || attempt === READ_RETRIES_MAX) throw error;
    }
  }
}

const TASK_RECORD_BYTES = 40;
const COMM_BYTES = 16;
const VMA_HEADER_BYTES = 48;
const PF_EXITING = 0x0000_0004;
const PF_KTHREAD = 0x0020_0000;

/** @throws CollectorError INPUT_MALFORMED  a record is cut off */
export function readTaskRecords(bytes: Uint8Array): TaskRecord[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const records: TaskRecord[] = [];
  for (let at = 0; at < bytes.length; at += TASK_RECORD_BYTES) {
    if (at + TASK_RECORD_BYTES > bytes.length) throw malformed(`task record at ${at}`, "cut off");
    const flags = view.getUint32(at + 12, true);
    records.push({
      pid: view.getUint32(at, true),
      tid: view.getUint32(at + 4, true),
      parentPid: view.getUint32(at + 8, true),
      isKernelThread: (flags & PF_KTHREAD) !== 0,
      isExiting: (flags & PF_EXITING) !== 0,
      startNs: view.getBigUint64(at + 16, true),
      name: textUntilNul(bytes.subarray(at + 24, at + 24 + COMM_BYTES)),
    });
  }
  return records;
}

/** @throws CollectorError INPUT_MALFORMED  a record is cut off */
export function readVmaRecords(bytes: Uint8Array): VmaRecord[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const pageBytes = BigInt(pageSize());
  const records: VmaRecord[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + VMA_HEADER_BYTES > bytes.length) throw malformed(`vma record at ${at}`, "cut off");
    const pathStart = at + VMA_HEADER_BYTES;
    const pathEnd = pathStart + view.getUint32(at + 44, true);
    if (pathEnd > bytes.length) throw malformed(`vma record at ${at}`, "path cut off");
    const path = textUntilNul(bytes.subarray(pathStart, pathEnd));
    const pid = view.getUint32(at + 32, true);
    records.push({ pid, mapping: mappingAt(view, at, { path, pageBytes }) });
    at = pathStart + ((pathEnd - pathStart + 7) & ~7);
  }
  return records;
}

const VMA_FILE = 1;
const VMA_VDSO = 2;

function mappingAt(
  view: DataView,
  at: number,
  { path, pageBytes }: { path: string; pageBytes: bigint },
): ProcessMapping {
  const kind = view.getUint32(at + 40, true);
  const device = view.getUint32(at + 36, true);
  return {
    start: view.getBigUint64(at, true),
    end: view.getBigUint64(at + 8, true),
    fileOffset: kind === VMA_FILE ? view.getBigUint64(at + 16, true) * pageBytes : 0n,
    path: kind === VMA_VDSO ? "[vdso]" : mappingPath(path),
    buildId: "",
    device: device === 0 ? NO_DEVICE : { major: device >>> 20, minor: device & 0xfffff },
    inode: view.getBigUint64(at + 24, true),
  };
}

function textUntilNul(bytes: Uint8Array): string {
  const nul = bytes.indexOf(0);
  return decodeUtf8(nul < 0 ? bytes : bytes.subarray(0, nul));
}
