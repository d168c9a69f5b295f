import { onlineCpus } from "../../linux/cpus.ts";
import { type ProcessSnapshot, readExecutablePath, readProcess } from "../../linux/proc.ts";
import { SideBand } from "../../linux/side-band.ts";
import type { SideBandRecord } from "../../linux/side-band-records.ts";
import { type TaskRecord, TaskScanner, type VmaRecord } from "../../linux/task-vma.ts";

/** Where the process table learns from: this host, or a test. */
export interface ProcessSources extends Disposable {
  readonly memory: SourceMemory;
  /** CLOCK_MONOTONIC. */
  nowNs(): bigint;
  /** What happened up to `nowNs` since the last call, in the order of time. */
  drain(nowNs: bigint): SideBandRecord[];
  /** What is true now, of every process. */
  scan(): HostScan;
  executablePath(pid: number): string;
  readProcess(pid: number): ProcessSnapshot | undefined;
}

/** Kernel memory that the sources hold, in bytes. */
export interface SourceMemory {
  readonly bpfMapBytes: number;
  readonly ringBytes: number;
}

export interface HostScan {
  readonly tasks: readonly TaskRecord[];
  readonly mappings: readonly VmaRecord[];
}

/** How often CPUs that came or went are looked for. */
const CPUS_INTERVAL_NS = 5_000_000_000n;

/** This host. Records come from the moment on when it is opened. */
export class HostProcessSources implements ProcessSources {
  readonly #resources: DisposableStack;
  readonly #sideBand: SideBand;
  readonly #scanner: TaskScanner;
  #cpusAtNs: bigint;

  private constructor(resources: DisposableStack, sideBand: SideBand, scanner: TaskScanner) {
    this.#resources = resources;
    this.#sideBand = sideBand;
    this.#scanner = scanner;
    this.#cpusAtNs = this.nowNs();
  }

  /** @throws CollectorError PERMISSION or UNSUPPORTED  the kernel refuses; the message says what */
  static open(): HostProcessSources {
    using resources = new DisposableStack();
    // The scanner is loaded first, since that takes long: what happens meanwhile fills no ring.
    const scanner = resources.use(TaskScanner.open());
    const sideBand = resources.use(SideBand.open(onlineCpus()));
    return new HostProcessSources(resources.move(), sideBand, scanner);
  }

  get memory(): SourceMemory {
    return { bpfMapBytes: this.#scanner.mapBytes, ringBytes: this.#sideBand.byteLength };
  }

  nowNs(): bigint {
    return process.hrtime.bigint();
  }

  drain(nowNs: bigint): SideBandRecord[] {
    if (nowNs - this.#cpusAtNs >= CPUS_INTERVAL_NS) {
      this.#sideBand.follow(onlineCpus());
      this.#cpusAtNs = nowNs;
    }
    return this.#sideBand.drain(nowNs);
  }

  scan(): HostScan {
    return { tasks: this.#scanner.tasks(), mappings: this.#scanner.mappings() };
  }

  executablePath(pid: number): string {
    return readExecutablePath(pid);
  }

  readProcess(pid: number): ProcessSnapshot | undefined {
    return readProcess(pid);
  }

  [Symbol.dispose](): void {
    this.#resources.dispose();
  }
}
