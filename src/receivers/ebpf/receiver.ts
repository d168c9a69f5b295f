import type { Receiver, SourceContext } from "../../pipeline/component.ts";
import { messageOf } from "../../support/errors.ts";
import { PROGRAM_NAME, programVersion } from "../../support/program.ts";
import type { KernelLayout } from "../../symbols/kernel/layout.ts";
import { type SymbolServices, symbolServices } from "../../symbols/services.ts";
import { buildBatch } from "./batch-builder.ts";
import type { EbpfConfig } from "./config.ts";
import { openerOf } from "./executable-opener.ts";
import { OnCpuSampler } from "./on-cpu-sampler.ts";
import type { ProcessImage } from "./process-image.ts";
import { ProcessTable } from "./process-table.ts";
import { SampleWindow, type WindowRow } from "./sample-window.ts";

/** How often the ring and the side-band are read. A full ring loses samples, so often enough. */
const DRAIN_INTERVAL_MS = 100;
/** How long the mappings of an ended process are kept for samples that are still on their way. */
const ENDED_PROCESS_KEPT_NS = 10_000_000_000n;
/** Different rows that make a window go out before its time, to bound its memory. */
const WINDOW_ROWS_MAX = 1 << 18;

/** What the receiver has done so far. Taken = delivered + lost, exactly, once it has stopped. */
export interface EbpfCounters {
  readonly taken: number;
  readonly delivered: number;
  readonly lost: number;
  /** Of those delivered: what the next component refused for good. */
  readonly dropped: number;
  /** Different programs that were sampled. */
  readonly processes: number;
}

/** Samples the stacks of the host, or of chosen processes, by eBPF, and sends them as batches. */
export class EbpfReceiver implements Receiver {
  readonly #config: EbpfConfig;
  readonly #context: SourceContext;
  readonly #seen = new WeakSet<ProcessImage>();
  #processCount = 0;
  #dropped = 0;
  #running: Running | undefined;
  #counters: EbpfCounters = { taken: 0, delivered: 0, lost: 0, processes: 0, dropped: 0 };

  constructor(config: EbpfConfig, context: SourceContext) {
    this.#config = config;
    this.#context = context;
  }

  /** @throws CollectorError PERMISSION, UNSUPPORTED or NOT_FOUND, with the mend */
  async start(): Promise<void> {
    if (this.#running !== undefined) return;
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
  async stop(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    clearInterval(running.timer);
    running.sampler.pause();
    this.#drain(running);
    try {
      await running.report;
      await this.#report(running);
    } finally {
      this.#counters = this.#countersOf(running);
      running.sampler[Symbol.dispose]();
      running.processes[Symbol.dispose]();
    }
  }

  /** Gives everything back without sending what was sampled: the way out after an error. */
  async abandon(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    clearInterval(running.timer);
    await running.report;
    running.sampler[Symbol.dispose]();
    running.processes[Symbol.dispose]();
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
      age >= BigInt(this.#config.reporterIntervalMs) * 1_000_000n ||
      running.window.rows.length >= WINDOW_ROWS_MAX;
    // One report at a time: when the next component is slow, the window goes on.
    if (!isDue || running.isReporting) return;
    running.isReporting = true;
    running.report = this.#report(running).finally(() => {
      running.isReporting = false;
    });
  }

  #drain(running: Running): void {
    const { window, sampler, processes } = running;
    // Full while the next component is slow: the ring fills, and the kernel counts what is lost.
    if (window.rows.length >= WINDOW_ROWS_MAX && running.isReporting) return;
    sampler.drain((sample) => window.add(sample));
    // After the samples: what the kernel said of their processes before them is now there.
    processes.drain();
    const newRows = window.settle((sample) =>
      processes.imageOrUnknown(sample.pid, sample.timeNs, sample.processName),
    );
    for (const row of newRows) this.#meet(running, row);
    processes.expire(this.#context.clock.monotonicNanos() - ENDED_PROCESS_KEPT_NS);
  }

  /** Has the files of a new row read while the process still runs. */
  #meet(running: Running, row: WindowRow): void {
    if (!this.#seen.has(row.image)) this.#processCount++;
    this.#seen.add(row.image);
    const { window, services } = running;
    const end = window.userStacks.end(row.userStack);
    for (let place = window.userStacks.start(row.userStack); place + 1 < end; place += 2) {
      const low = window.userStacks.item(place);
      const mapping = row.image.findMapping(low >>> 0, window.userStacks.item(place + 1) >>> 0);
      if (mapping !== undefined) services.executables.meet(mapping, openerOf(row.image, mapping));
    }
  }

  #newWindow(sampler: OnCpuSampler): Pick<Running, "window" | "windowStartNs"> {
    const { periodNs } = sampler;
    return {
      window: new SampleWindow({ keepTimes: this.#config.timestamps, periodNs }),
      windowStartNs: this.#context.clock.monotonicNanos(),
    };
  }

  async #report(running: Running): Promise<void> {
    const { window, windowStartNs, services } = running;
    Object.assign(running, this.#newWindow(running.sampler));
    if (window.isEmpty) return;
    await services.executables.settled();
    const { clock, logger, next } = this.#context;
    const monotonicToUnixNano = clock.unixNanos() - clock.monotonicNanos();
    const batch = buildBatch(window, {
      scope: {
        name: PROGRAM_NAME,
        version: programVersion(),
        attributes: [],
        droppedAttributesCount: 0,
      },
      startUnixNano: windowStartNs + monotonicToUnixNano,
      durationNano: running.windowStartNs - windowStartNs,
      periodNano: running.sampler.periodNs,
      monotonicToUnixNano,
      timestamps: this.#config.timestamps,
      executables: services.executables,
      kernel: running.kernel,
    });
    try {
      await next.consume(batch);
    } catch (error) {
      for (let row = 0; row < window.rows.length; row++) this.#dropped += window.values.at(row);
      logger.error("a batch was not taken", {
        samples: batch.sampleCount,
        reason: messageOf(error),
      });
    }
  }

  #countersOf(running: Running): EbpfCounters {
    const { taken, delivered, lost } = running.sampler.counters();
    return { taken, delivered, lost, processes: this.#processCount, dropped: this.#dropped };
  }
}

/** What exists between start and stop. */
interface Running {
  readonly processes: ProcessTable;
  readonly sampler: OnCpuSampler;
  readonly services: SymbolServices;
  readonly kernel: KernelLayout;
  window: SampleWindow;
  windowStartNs: bigint;
  timer: NodeJS.Timeout | undefined;
  isReporting: boolean;
  report: Promise<void>;
}
