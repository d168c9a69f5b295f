import { BpfObject, bpfObjectPath } from "../../linux/bpf.ts";
import { BpfRing, RING_BYTES_MAX, ringBytesFor } from "../../linux/bpf-ring.ts";
import { onlineCpus } from "../../linux/cpus.ts";
import { assertSafeKernel, thisKernel } from "../../linux/kernel-version.ts";
import { numPossibleCpus } from "../../linux/libbpf.ts";
import {
  hasKernelTypes,
  hostFiles,
  isInitialPidNamespace,
  lockdownMode,
} from "../../linux/probes.ts";
import { CollectorError, isCollectorError } from "../../support/errors.ts";
import { CpuClocks, kernelClocks } from "./cpu-clocks.ts";
import { type RawSample, SampleDecoder, sampleResult } from "./sample-record.ts";
import type { UnwindMapSet } from "./unwinding/unwind-maps.ts";

export type { RawSample } from "./sample-record.ts";

/** A clock that ticks more often than this measures itself. */
const FREQUENCY_HZ_MAX = 10_000;
/** How often CPUs that came or went are looked for. */
const CPU_POLL_MS = 5000;
/** A ring that is cut down to what the host needs is not cut further. */
const RING_BYTES_LEAST = 256 * 1024;
/** Entries of the BPF maps `pids` and `cgroups`. */
const PIDS_MAX = 8192;
const CGROUPS_MAX = 1024;

export interface OnCpuSamplerOptions {
  readonly frequencyHz: number;
  /** Only these processes and the children that they will have. */
  readonly pids?: readonly number[];
  /** Only tasks of these cgroups and those below. With `pids`: either. With neither: the host. */
  readonly cgroupIds?: readonly bigint[];
  /**
   * At most; rounded up to a power of two of pages. What is more than the host's CPUs fill in
   * five seconds is not used: all of it would stand in this process's memory, twice.
   */
  readonly ringBytes: number;
  /** Takes nothing before the first `resume`. */
  readonly startsPaused?: boolean;
  /** The BPF object, when it is not the built one. */
  readonly objectPath?: string;
  /** Runs on a kernel that `assertSafeKernel` would refuse. */
  readonly allowUnsafeKernel?: boolean;
}

/**
 * Exact sums over all CPUs since the start:
 * ticks = idle + own + filtered + taken, taken = delivered + lost, and the same of the values.
 */
export interface OnCpuCounters {
  readonly ticks: number;
  readonly idle: number;
  /** Ticks in this process, which is never sampled. */
  readonly own: number;
  readonly filtered: number;
  readonly taken: number;
  readonly delivered: number;
  /** Samples for which the ring had no room. */
  readonly lost: number;
  /** Nanoseconds of CPU time. */
  readonly takenValue: number;
  readonly deliveredValue: number;
  readonly lostValue: number;
  /** Children that could not be followed because PIDS_MAX are. */
  readonly pidsFull: number;
  /** Of those taken, indexed by `sampleResult`. */
  readonly results: readonly number[];
}

/** struct counters of bpf/on_cpu.bpf.c, in words of 64 bits. */
const COUNTER_FIELDS = 11;
const COUNTER_WORDS = COUNTER_FIELDS + Object.keys(sampleResult).length;

/**
 * Samples what runs on every CPU, by an eBPF program on each CPU's clock.
 *
 * Order of life: start (and resume), drain…, pause, a last drain, dispose. All of it on the main
 * thread.
 */
export class OnCpuSampler implements Disposable {
  /** Bytes of the ring of samples. */
  readonly ringBytes: number;
  readonly #owned: DisposableStack;
  readonly #object: BpfObject;
  readonly #ring: BpfRing;
  readonly #clocks: CpuClocks;
  readonly #decoder = new SampleDecoder();
  #periodNs: number;
  readonly #perCpuCounters: BigUint64Array;
  #counters: OnCpuCounters | undefined;

  private constructor(options: OnCpuSamplerOptions, owned: DisposableStack) {
    const ringBytes = ringBytesFor(Math.min(options.ringBytes, fiveSecondsOf(options)));
    this.ringBytes = ringBytes;
    this.#periodNs = periodOf(options.frequencyHz);
    this.#object = owned.use(
      BpfObject.load(options.objectPath ?? bpfObjectPath("on_cpu"), {
        rodata: programConfig(options),
        mapEntries: { samples: ringBytes },
      }),
    );
    this.#perCpuCounters = new BigUint64Array(numPossibleCpus() * COUNTER_WORDS);
    this.#ring = owned.use(new BpfRing(this.#object.map("samples").fd, ringBytes));
    for (const name of ["on_fork", "on_exec", "on_free"]) {
      owned.use(this.#object.program(name).attach());
    }
    for (const pid of options.pids ?? []) this.addPid(pid);
    for (const cgroupId of options.cgroupIds ?? []) this.#addCgroup(cgroupId);
    this.#clocks = owned.use(
      new CpuClocks(kernelClocks(this.#object.program("on_cpu"), () => this.#periodNs)),
    );
    if (options.startsPaused) this.#clocks.pause();
    this.#clocks.follow(onlineCpus());
    const timer = setInterval(() => this.#followCpus(), CPU_POLL_MS).unref();
    owned.defer(() => clearInterval(timer));
    this.#owned = owned.move();
  }

  /**
   * Loads the program and lets it sample.
   *
   * @throws CollectorError  PERMISSION or UNSUPPORTED with the mend; CONFIG_INVALID for an option
   *   out of range
   */
  static start(options: OnCpuSamplerOptions): OnCpuSampler {
    assertOptions(options);
    assertHost(options.allowUnsafeKernel ?? false);
    using owned = new DisposableStack();
    try {
      return new OnCpuSampler(options, owned);
    } catch (error) {
      throw withMend(error);
    }
  }

  /**
   * Samples one more process and its future children; only with the option `pids`.
   *
   * @throws CollectorError LIMIT_EXCEEDED  PIDS_MAX processes are sampled already
   */
  addPid(pid: number): void {
    const NAMED_BY_USER = 0n;
    const key = new Uint8Array(Uint32Array.of(pid).buffer);
    const value = new Uint8Array(BigUint64Array.of(NAMED_BY_USER).buffer);
    this.#object.map("pids").update(key, value);
  }

  #addCgroup(cgroupId: bigint): void {
    const key = new Uint8Array(BigUint64Array.of(cgroupId).buffer);
    this.#object.map("cgroups").update(key, Uint8Array.of(1));
  }

  /** A clock that the kernel refuses for the moment is tried again at the next look. */
  #followCpus(): void {
    try {
      this.#clocks.follow(onlineCpus());
    } catch (error) {
      if (!isCollectorError(error)) throw error;
    }
  }

  /** Nanoseconds of CPU time between two ticks of a CPU. */
  get periodNs(): number {
    return this.#periodNs;
  }

  /**
   * Samples at another frequency from here on. Samples of the one before may still be in the
   * ring: each carries its own period as its value. Not during a pause.
   *
   * @throws CollectorError  CONFIG_INVALID for one out of range; as `start` when the kernel
   *   refuses the new clocks, which are tried again every few seconds
   */
  setFrequency(frequencyHz: number): void {
    assertFrequency(frequencyHz);
    this.#periodNs = periodOf(frequencyHz);
    this.#clocks.reopen(onlineCpus());
  }

  /** When this returns, nothing more is taken: the next drain is complete. */
  pause(): void {
    this.#clocks.pause();
  }

  resume(): void {
    this.#clocks.resume();
    this.#clocks.follow(onlineCpus());
  }

  /** Kernel memory of all maps, the ring among them, without the unwind tables. */
  mapBytes(): number {
    return this.#object.mapBytes();
  }

  /** What the program unwinds by; valid until disposal. */
  get unwindMaps(): UnwindMapSet {
    return {
      processes: this.#object.map("processes"),
      children: this.#object.map("children"),
      mappings: this.#object.map("mappings"),
      tables: this.#object.map("tables"),
    };
  }

  /** How full the ring is, from 0 to 1. */
  get ringShare(): number {
    return this.#ring.pendingBytes / this.ringBytes;
  }

  /**
   * Gives every sample that is in the ring, oldest first; never blocks. `onSample` gets an object
   * that is filled again for the next one.
   *
   * @returns their number
   */
  drain(onSample: (sample: RawSample) => void): number {
    return this.#ring.drain((words, at, byteLength) => {
      onSample(this.#decoder.decode(words, at, byteLength));
    });
  }

  /** The sums so far; after a pause they are exact. They stay readable after disposal. */
  counters(): OnCpuCounters {
    if (this.#counters !== undefined) return this.#counters;
    const words = this.#perCpuCounters;
    const onlyKey = new Uint8Array(4);
    this.#object.map("counters").lookup(onlyKey, new Uint8Array(words.buffer));
    return sumCounters(words);
  }

  [Symbol.dispose](): void {
    if (this.#owned.disposed) return;
    this.pause();
    this.#counters = this.counters();
    this.#owned.dispose();
  }
}

/** The sums over CPUs of struct counters, field by field. */
function sumCounters(words: BigUint64Array): OnCpuCounters {
  const sums = new Array<number>(COUNTER_WORDS).fill(0);
  for (const [index, word] of words.entries()) {
    const field = index % COUNTER_WORDS;
    sums[field] = (sums[field] as number) + Number(word);
  }
  const at = (field: number): number => sums[field] as number;
  return {
    ticks: at(0),
    idle: at(1),
    own: at(2),
    filtered: at(3),
    taken: at(4),
    delivered: at(5),
    lost: at(6),
    takenValue: at(7),
    deliveredValue: at(8),
    lostValue: at(9),
    pidsFull: at(10),
    results: sums.slice(COUNTER_FIELDS),
  };
}

/** Bytes of samples of 100 frames, and some in reserve for what little a slow clock gives. */
function fiveSecondsOf({ frequencyHz }: OnCpuSamplerOptions): number {
  const SAMPLE_BYTES = 1024;
  return Math.max(RING_BYTES_LEAST, 5 * frequencyHz * SAMPLE_BYTES * onlineCpus().length);
}

function periodOf(frequencyHz: number): number {
  return Math.round(1e9 / frequencyHz);
}

/** The struct `config` of bpf/on_cpu.bpf.c. */
function programConfig({ pids, cgroupIds }: OnCpuSamplerOptions): Uint8Array {
  const config = new Uint8Array(8);
  const view = new DataView(config.buffer);
  view.setUint32(0, process.pid, true);
  view.setUint8(4, pids === undefined && cgroupIds === undefined ? 1 : 0);
  view.setUint8(5, pids === undefined ? 0 : 1);
  view.setUint8(6, cgroupIds === undefined ? 0 : 1);
  return config;
}

function assertOptions(options: OnCpuSamplerOptions): void {
  const { frequencyHz, ringBytes, pids, cgroupIds } = options;
  assertFrequency(frequencyHz);
  assertRange("ring size (bytes)", ringBytes, 1, RING_BYTES_MAX);
  assertRange("number of processes to sample", pids?.length ?? 0, 0, PIDS_MAX);
  assertRange("number of cgroups to sample", cgroupIds?.length ?? 0, 0, CGROUPS_MAX);
}

/** @throws CollectorError CONFIG_INVALID  for one that no clock can have */
export function assertFrequency(frequencyHz: number): void {
  assertRange("sampling frequency (Hz)", frequencyHz, 1, FREQUENCY_HZ_MAX);
}

function assertRange(what: string, value: number, min: number, max: number): void {
  if (value >= min && value <= max) return;
  throw new CollectorError("CONFIG_INVALID", `${what}: ${value} is not between ${min} and ${max}`);
}

/** What can be told before the kernel is asked, where its answer would not tell the reason. */
function assertHost(allowUnsafeKernel: boolean): void {
  if (!allowUnsafeKernel) {
    assertSafeKernel(thisKernel(hostFiles));
  }
  if (!hasKernelTypes(hostFiles)) {
    throw new CollectorError(
      "UNSUPPORTED",
      "/sys/kernel/btf/vmlinux is missing: the kernel needs CONFIG_DEBUG_INFO_BTF=y.",
    );
  }
  if (!isInitialPidNamespace(hostFiles)) {
    throw new CollectorError(
      "UNSUPPORTED",
      "this is a process namespace of its own, where the kernel's process ids mean nothing. " +
        "Run with the host's: docker run --pid=host, or hostPID: true in Kubernetes.",
    );
  }
}

/** Adds to a refusal what most likely lies behind it. */
function withMend(error: unknown): unknown {
  if (!isCollectorError(error, "PERMISSION", "UNSUPPORTED")) return error;
  if (lockdownMode(hostFiles) === "confidentiality") {
    return new CollectorError(
      "UNSUPPORTED",
      "kernel lockdown is in confidentiality mode, which forbids eBPF to read memory. " +
        "Boot with lockdown=integrity or without it.",
      { cause: error },
    );
  }
  if (error.code !== "PERMISSION") return error;
  return new CollectorError(
    "PERMISSION",
    `${error.message}. Run as root, or with CAP_BPF and CAP_PERFMON.`,
    { cause: error },
  );
}
