import type { ProcessMapping } from "../../linux/process-mapping.ts";
import { MappingSet } from "./mapping-set.ts";
import { type ScannedThread, ThreadList } from "./thread-list.ts";

export type { ProcessMapping } from "../../linux/process-mapping.ts";

/**
 * One program in one process: an exec makes a new image, and so does a new process with a used
 * pid. When another file takes the place of a mapped one, the program goes on as a new generation
 * of its image, so that what was sampled before is still resolved by what was mapped then. An
 * image keeps what is known of it after its end, for samples that are still on their way.
 */
export interface ProcessImage {
  readonly pid: number;
  /** The same object for all programs that the one process runs after another. */
  readonly process: ProcessIdentity;
  /** The same object for all generations of the one program. */
  readonly program: ProgramIdentity;
  readonly parentPid: number | undefined;
  /**
   * CLOCK_MONOTONIC: when this program, or this generation of it, began, or its process when that
   * is not known.
   */
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

/** Stands for one program in one process. */
export interface ProgramIdentity {
  /** CLOCK_MONOTONIC: when it ended, in its last generation; undefined while it runs. */
  readonly exitNs: bigint | undefined;
}

export interface ImageOrigin {
  readonly pid: number;
  /** That of the image before it in the same process; a new process when there is none. */
  readonly process?: ProcessIdentity | undefined;
  /** The generation before it, whose program and threads it has. */
  readonly generationOf?: TrackedImage;
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
  readonly program: { exitNs: bigint | undefined };
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
  readonly #threads: ThreadList;

  constructor(origin: ImageOrigin) {
    this.pid = origin.pid;
    this.process = origin.process ?? {};
    this.program = origin.generationOf?.program ?? { exitNs: undefined };
    this.#threads =
      origin.generationOf === undefined ? new ThreadList() : origin.generationOf.#threads;
    this.parentPid = origin.parentPid;
    this.startNs = origin.startNs;
    this.processStartNs = origin.processStartNs;
    this.processName = origin.processName;
    this.executablePath = origin.executablePath;
    this.isKernelThread = origin.isKernelThread;
    this.mappings = origin.mappings;
    this.isComplete = origin.isComplete;
  }

  /**
   * What goes on from `startNs` when other files take the place of mapped ones: the same program
   * with the same threads, and mappings of its own. This image keeps those that it has.
   */
  nextGeneration(startNs: bigint): TrackedImage {
    const { pid, process, parentPid, processStartNs, processName, executablePath } = this;
    const next = new TrackedImage({
      pid,
      process,
      generationOf: this,
      parentPid,
      startNs,
      processStartNs,
      processName,
      executablePath,
      isKernelThread: this.isKernelThread,
      mappings: this.mappings.fork(),
      isComplete: this.isComplete,
    });
    next.awaitsExecutable = this.awaitsExecutable;
    next.lastUsed = this.lastUsed;
    return next;
  }

  threadName(tid: number): string | undefined {
    return this.#threads.nameOf(tid);
  }

  findMapping(addressLow: number, addressHigh: number): ProcessMapping | undefined {
    return this.mappings.find((addressHigh >>> 0) * 2 ** 32 + (addressLow >>> 0));
  }

  get liveThreads(): number {
    return this.#threads.live;
  }

  /** Names a thread, which is new or has a new name. */
  nameThread(tid: number, name: string): void {
    if (tid === this.pid) this.processName = name;
    this.#threads.name(tid, name);
  }

  /** Notes the end of a thread. False when it was not known, or ended before. */
  endThread(tid: number, exitNs: bigint): boolean {
    return this.#threads.end(tid, exitNs);
  }

  get hasEndedThreads(): boolean {
    return this.#threads.hasEnded;
  }

  /** Forgets the names of threads that ended before. */
  forgetThreadsBefore(timeNs: bigint): void {
    this.#threads.forgetBefore(timeNs);
  }

  /**
   * Takes over who lives from a scan; who is gone by it ended at `timeNs`. A thread on its way
   * out is not added, because its end may have been told before.
   */
  setThreads(tasks: readonly ScannedThread[], timeNs: bigint): void {
    this.#threads.endOthers(new Set(tasks.map((task) => task.tid)), timeNs);
    for (const { tid, name, isExiting } of tasks) {
      if (!isExiting) this.nameThread(tid, name);
    }
  }
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
