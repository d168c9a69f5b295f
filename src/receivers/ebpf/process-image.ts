import type { ProcessMapping } from "../../linux/process-mapping.ts";
import { MappingSet } from "./mapping-set.ts";

export type { ProcessMapping } from "../../linux/process-mapping.ts";

/**
 * One program in one process: an exec makes a new image, and so does a new process with a used
 * pid. It keeps what is known of it after its end, for samples that are still on their way.
 */
export interface ProcessImage {
  readonly pid: number;
  /** The same object for all programs that the one process runs after another. */
  readonly process: ProcessIdentity;
  readonly parentPid: number | undefined;
  /** CLOCK_MONOTONIC: when this program began, or its process when that is not known. */
  readonly startNs: bigint;
  /** CLOCK_MONOTONIC: when it ended or was replaced; undefined while it runs. */
  readonly exitNs: bigint | undefined;
  /** The name of the first thread, at most 15 bytes. */
  readonly processName: string;
  /** As the process's own root names it; "" for a kernel thread and when it is not known. */
  readonly executablePath: string;
  readonly isKernelThread: boolean;
  /** What it has mapped that can be executed; it changes while the program runs. */
  readonly mappings: KnownMappings;
  /** False when records of it were missed, so that its mappings may be. */
  readonly isComplete: boolean;
  /** The last name of a thread; undefined for a thread that is not known. */
  threadName(tid: number): string | undefined;
  /** The executable mapping that holds an address, given as two unsigned halves. */
  findMapping(addressLow: number, addressHigh: number): ProcessMapping | undefined;
}

/** A process's mappings, to be read. */
export interface KnownMappings {
  /** Another number after each change. */
  readonly version: number;
  /** In the order of their addresses; a mapping that stays is the same object. */
  all(): readonly ProcessMapping[];
}

/** Stands for one process; it is only compared. */
export type ProcessIdentity = object;

/** Names of ended threads that one image keeps for samples on their way. */
const ENDED_THREADS_MAX = 4096;
/** Threads that one image knows: as many as the kernel gives process ids by default. */
const THREADS_MAX = 32_768;

export interface ImageOrigin {
  readonly pid: number;
  /** That of the image before it in the same process; a new process when there is none. */
  readonly process?: ProcessIdentity | undefined;
  readonly parentPid: number | undefined;
  readonly startNs: bigint;
  /** When the process began, which runs one program after another; undefined when not known. */
  readonly processStartNs: bigint | undefined;
  readonly processName: string;
  readonly executablePath: string;
  readonly isKernelThread: boolean;
  readonly mappings: MappingSet;
  /** False when records of it were missed, so that its mappings or its name may be. */
  readonly isComplete: boolean;
}

/** An image that the process table keeps up to date; only the table changes it. */
export class TrackedImage implements ProcessImage {
  readonly pid: number;
  readonly process: ProcessIdentity;
  readonly isKernelThread: boolean;
  readonly mappings: MappingSet;
  startNs: bigint;
  processStartNs: bigint | undefined;
  parentPid: number | undefined;
  exitNs: bigint | undefined;
  processName: string;
  executablePath: string;
  isComplete: boolean;
  /** After an exec: the first file that is mapped is the program. */
  awaitsExecutable = false;
  /** The images before and after it in the same pid. */
  previous: TrackedImage | undefined;
  next: TrackedImage | undefined;
  /** When it was last asked for or told of, in drains. */
  lastUsed = 0;
  readonly #threads = new Map<number, Thread>();
  readonly #endedThreads: Thread[] = [];
  #liveThreads = 0;

  constructor(origin: ImageOrigin) {
    this.pid = origin.pid;
    this.process = origin.process ?? {};
    this.parentPid = origin.parentPid;
    this.startNs = origin.startNs;
    this.processStartNs = origin.processStartNs;
    this.processName = origin.processName;
    this.executablePath = origin.executablePath;
    this.isKernelThread = origin.isKernelThread;
    this.mappings = origin.mappings;
    this.isComplete = origin.isComplete;
  }

  threadName(tid: number): string | undefined {
    return this.#threads.get(tid)?.name || undefined;
  }

  findMapping(addressLow: number, addressHigh: number): ProcessMapping | undefined {
    return this.mappings.find((addressHigh >>> 0) * 2 ** 32 + (addressLow >>> 0));
  }

  get liveThreads(): number {
    return this.#liveThreads;
  }

  /** Names a thread, which is new or has a new name. */
  nameThread(tid: number, name: string): void {
    if (tid === this.pid) this.processName = name;
    const known = this.#threads.get(tid);
    if (known !== undefined && known.exitNs === undefined) {
      known.name = name;
      return;
    }
    if (this.#threads.size >= THREADS_MAX) return;
    this.#threads.set(tid, { tid, name, exitNs: undefined });
    this.#liveThreads++;
  }

  /** Notes the end of a thread. False when it was not known, or ended before. */
  endThread(tid: number, exitNs: bigint): boolean {
    const thread = this.#threads.get(tid);
    if (thread === undefined || thread.exitNs !== undefined) return false;
    thread.exitNs = exitNs;
    this.#liveThreads--;
    this.#endedThreads.push(thread);
    if (this.#endedThreads.length > ENDED_THREADS_MAX) this.#forgetEndedThreads(1);
    return true;
  }

  get hasEndedThreads(): boolean {
    return this.#endedThreads.length > 0;
  }

  /** Forgets the names of threads that ended before. */
  forgetThreadsBefore(timeNs: bigint): void {
    const kept = this.#endedThreads.findIndex((thread) => (thread.exitNs ?? 0n) >= timeNs);
    this.#forgetEndedThreads(kept < 0 ? this.#endedThreads.length : kept);
  }

  /**
   * Takes over who lives from a scan; who is gone by it ended at `timeNs`. A thread on its way
   * out is not added, because its end may have been told before.
   */
  setThreads(tasks: readonly ScannedThread[], timeNs: bigint): void {
    const alive = new Set(tasks.map((task) => task.tid));
    for (const { tid } of this.#threads.values()) {
      if (!alive.has(tid)) this.endThread(tid, timeNs);
    }
    for (const { tid, name, isExiting } of tasks) {
      if (!isExiting) this.nameThread(tid, name);
    }
  }

  #forgetEndedThreads(count: number): void {
    for (const thread of this.#endedThreads.splice(0, count)) {
      // The id may be in use again by then.
      if (this.#threads.get(thread.tid) === thread) this.#threads.delete(thread.tid);
    }
  }
}

interface ScannedThread {
  readonly tid: number;
  readonly name: string;
  readonly isExiting: boolean;
}

interface Thread {
  readonly tid: number;
  name: string;
  exitNs: bigint | undefined;
}

/** A program of which only the name of the first thread is known, from the sample itself. */
export function unknownImage(pid: number, startNs: bigint, processName: string): TrackedImage {
  return new TrackedImage({
    pid,
    parentPid: undefined,
    startNs,
    processStartNs: undefined,
    processName,
    executablePath: "",
    isKernelThread: false,
    mappings: new MappingSet(),
    isComplete: false,
  });
}
