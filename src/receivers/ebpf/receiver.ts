import type { Receiver, SourceContext } from "../../pipeline/component.ts";
import type { ProfileBatch } from "../../profiles/profile.ts";
import { messageOf } from "../../support/errors.ts";
import { PROGRAM_NAME, programVersion } from "../../support/program.ts";
import type { KernelLayout } from "../../symbols/kernel/layout.ts";
import { type SymbolServices, symbolServices } from "../../symbols/services.ts";
import { buildBatch } from "./batch-builder.ts";
import type { EbpfConfig } from "./config.ts";
import { ContainerIds } from "./container-ids.ts";
import { openerOf } from "./executable-opener.ts";
import { OnCpuSampler } from "./on-cpu-sampler.ts";
import type { ProcessImage, ProcessMapping } from "./process-image.ts";
import { type ProcessCounters, ProcessTable } from "./process-table.ts";
import { SampleWindow, WINDOW_LIMITS, type WindowLimits, type WindowRow } from "./sample-window.ts";

/** How often the ring and the side-band are read. A full ring loses samples, so often enough. */
const DRAIN_INTERVAL_MS = 100;
/** How long the mappings of an ended process are kept for samples that are still on their way. */
const ENDED_PROCESS_KEPT_NS = 10_000_000_000n;

/** What the receiver has done since its last start. Taken = delivered + lost, exactly, once it has stopped. */
export interface EbpfCounters {
  readonly taken: number;
  readonly delivered: number;
  readonly lost: number;
  /** Of those delivered: what the next component refused for good. */
  readonly dropped: number;
  /** Different programs that were sampled. */
  readonly processes: number;
  /** What the receiver knows, and could not know, of the host's processes. */
  readonly processTable: ProcessCounters;
}

/** Samples the stacks of the host, or of chosen processes, by eBPF, and sends them as batches. */
export class EbpfReceiver implements Receiver {
  readonly #config: EbpfConfig;
  readonly #context: SourceContext;
  readonly #limits: WindowLimits;
  readonly #seen = new WeakSet<ProcessImage>();
  #processCount = 0;
  #dropped = 0;
  #running: Running | undefined;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  #counters: EbpfCounters = NOTHING_DONE;

  /** @param limits  of the samples that wait to be sent; smaller ones are for tests */
  constructor(config: EbpfConfig, context: SourceContext, limits: WindowLimits = WINDOW_LIMITS) {
    this.#config = config;
    this.#context = context;
    this.#limits = limits;
  }

  /**
   * A start of what runs already does nothing.
   *
   * @throws CollectorError PERMISSION, UNSUPPORTED or NOT_FOUND, with the mend
   */
  start(): Promise<void> {
    this.#starting ??= this.#start().finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  async #start(): Promise<void> {
    if (this.#running !== undefined) return;
    this.#processCount = this.#dropped = 0;
    const services = this.#context.shared.get(symbolServices);
    const kernel = await services.kernelLayout();
    // The side-band first: from here on no mapping can be missed.
    const processes = ProcessTable.start();
    try {
      const sampler = OnCpuSampler.start({
        frequencyHz: this.#config.samplesPerSecond,
        ringBytes: this.#config.ringBytes,
        ...(this.#config.pids !== undefined && { pids: this.#config.pids }),
      });
      this.#running = {
        processes,
        sampler,
        services,
        kernel,
        containers: new ContainerIds(),
        ...this.#newWindow(sampler),
        timer: setInterval(() => this.#tick(), DRAIN_INTERVAL_MS),
        isReporting: false,
        report: Promise.resolve(),
      };
    } catch (error) {
      processes[Symbol.dispose]();
      throw error;
    }
  }

  /** Sends what was sampled up to now, then gives everything back. */
  stop(): Promise<void> {
    return this.#end(async (running) => {
      running.sampler.pause();
      await running.report;
      this.#drain(running);
      await this.#report(running);
    });
  }

  /** Gives everything back without sending what was sampled: the way out after an error. */
  abandon(): Promise<void> {
    return this.#end((running) => running.report);
  }

  #end(finish: (running: Running) => Promise<void>): Promise<void> {
    this.#stopping ??= this.#endOnce(finish).finally(() => {
      this.#stopping = undefined;
    });
    return this.#stopping;
  }

  async #endOnce(finish: (running: Running) => Promise<void>): Promise<void> {
    // A start that fails tells its own caller.
    await this.#starting?.catch(() => {});
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    clearInterval(running.timer);
    try {
      await finish(running);
    } finally {
      this.#counters = this.#countersOf(running);
      running.sampler[Symbol.dispose]();
      running.processes[Symbol.dispose]();
    }
  }

  /** Samples one more process and its future children. */
  addPid(pid: number): void {
    this.#running?.sampler.addPid(pid);
  }

  get counters(): EbpfCounters {
    return this.#running === undefined ? this.#counters : this.#countersOf(this.#running);
  }

  #tick(): void {
    const running = this.#running;
    if (running === undefined) return;
    this.#drain(running);
    const age = this.#context.clock.monotonicNanos() - running.windowStartNs;
    const isDue =
      age >= BigInt(this.#config.reporterIntervalMs) * 1_000_000n || running.window.isFull;
    // One report at a time: when the next component is slow, the window goes on.
    if (!isDue || running.isReporting) return;
    running.isReporting = true;
    running.report = this.#report(running).finally(() => {
      running.isReporting = false;
    });
  }

  #drain(running: Running): void {
    const { window, sampler, processes } = running;
    if (window.isFull && running.isReporting) {
      // The next component is slow: the ring fills, and the kernel counts what is lost. What
      // ended meanwhile is kept for the samples that the ring still holds.
      processes.drain();
      return;
    }
    sampler.drain((sample) => window.add(sample));
    // After the samples: what the kernel said of their processes before them is now there.
    processes.drain();
    const newRows = window.settle((sample) =>
      processes.imageOrUnknown(sample.pid, sample.timeNs, sample.processName),
    );
    for (const row of newRows) this.#meet(running, row);
    processes.expire(this.#context.clock.monotonicNanos() - ENDED_PROCESS_KEPT_NS);
  }

  /** Has what only a running process can tell read while it still runs. */
  #meet(running: Running, row: WindowRow): void {
    const { window, services, containers, metMappings } = running;
    if (!this.#seen.has(row.image)) this.#processCount++;
    this.#seen.add(row.image);
    containers.meet(row.image);
    const { userStacks } = window;
    const end = userStacks.end(row.userStack);
    for (let place = userStacks.start(row.userStack); place + 1 < end; place += 2) {
      const [low, high] = [userStacks.item(place), userStacks.item(place + 1)];
      const mapping = row.image.findMapping(low, high);
      if (mapping === undefined || metMappings.has(mapping)) continue;
      metMappings.add(mapping);
      services.executables.meet(mapping, openerOf(row.image, mapping));
    }
  }

  #newWindow(sampler: OnCpuSampler): WindowState {
    return {
      window: new SampleWindow({
        keepTimes: this.#config.timestamps,
        periodNs: sampler.periodNs,
        limits: this.#limits,
      }),
      windowStartNs: this.#context.clock.monotonicNanos(),
      metMappings: new Set(),
    };
  }

  /** Sends the window and begins the next one. Never rejects: what cannot be sent is counted. */
  async #report(running: Running): Promise<void> {
    const { window, windowStartNs } = running;
    Object.assign(running, this.#newWindow(running.sampler));
    if (window.isEmpty) return;
    try {
      await running.services.executables.settled();
      const batch = this.#batchOf(running, window, windowStartNs);
      await this.#context.next.consume(batch);
    } catch (error) {
      const samples = window.total;
      this.#dropped += samples;
      this.#context.logger.error("a batch was not taken", { samples, reason: messageOf(error) });
    }
  }

  #batchOf(running: Running, window: SampleWindow, windowStartNs: bigint): ProfileBatch {
    const { clock } = this.#context;
    const { startNs, endNs } = window.span(windowStartNs, running.windowStartNs);
    const monotonicToUnixNano = clock.unixNanos() - clock.monotonicNanos();
    return buildBatch(window, {
      scope: {
        name: PROGRAM_NAME,
        version: programVersion(),
        attributes: [],
        droppedAttributesCount: 0,
      },
      startUnixNano: startNs + monotonicToUnixNano,
      durationNano: endNs - startNs,
      periodNano: running.sampler.periodNs,
      monotonicToUnixNano,
      timestamps: this.#config.timestamps,
      executables: running.services.executables,
      kernel: running.kernel,
      containers: running.containers,
    });
  }

  #countersOf(running: Running): EbpfCounters {
    const { taken, delivered, lost } = running.sampler.counters();
    const { counters: processTable } = running.processes;
    const [processes, dropped] = [this.#processCount, this.#dropped];
    return { taken, delivered, lost, dropped, processes, processTable };
  }
}

const NOTHING_DONE: EbpfCounters = {
  taken: 0,
  delivered: 0,
  lost: 0,
  dropped: 0,
  processes: 0,
  processTable: {
    lostRecords: 0,
    rescans: 0,
    failedScans: 0,
    images: 0,
    endedImages: 0,
    evictedImages: 0,
    refusedMappings: 0,
    procReads: 0,
    unknownLookups: 0,
  },
};

/** What exists between start and stop. */
interface Running extends WindowState {
  readonly processes: ProcessTable;
  readonly sampler: OnCpuSampler;
  readonly services: SymbolServices;
  readonly kernel: KernelLayout;
  readonly containers: ContainerIds;
  timer: NodeJS.Timeout | undefined;
  isReporting: boolean;
  report: Promise<void>;
}

/** What begins anew after each report. */
interface WindowState {
  window: SampleWindow;
  windowStartNs: bigint;
  /** Mappings whose file the registry was told of. */
  metMappings: Set<ProcessMapping>;
}
