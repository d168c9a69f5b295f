import type { Receiver, SourceContext } from "../../pipeline/component.ts";
import { type SampleLosses, sampleLosses } from "../../pipeline/sample-losses.ts";
import { Complaints } from "../../support/complaints.ts";
import { messageOf } from "../../support/errors.ts";
import { symbolServices } from "../../symbols/services.ts";
import { batchOf } from "./closed-window.ts";
import type { EbpfConfig } from "./config.ts";
import { ContainerIds } from "./container-ids.ts";
import { type EbpfCounters, NO_MEMORY, NOTHING_DONE, namedResults } from "./counters.ts";
import { DRAIN_BUSY_MS, DrainPace } from "./drain-pace.ts";
import { openerOf } from "./executable-opener.ts";
import { Governor, ownCpuSeconds } from "./governor.ts";
import { addEbpfMetrics } from "./metrics.ts";
import { assertFrequency, OnCpuSampler } from "./on-cpu-sampler.ts";
import type { ProcessIdentity } from "./process-image.ts";
import { ProcessTable } from "./process-table.ts";
import type { Running, WindowState } from "./running.ts";
import { sampleResult } from "./sample-record.ts";
import { SampleWindow, WINDOW_LIMITS, type WindowLimits, type WindowRow } from "./sample-window.ts";
import { loadChosen } from "./unwinding/load-chosen.ts";
import { startUnwinder } from "./unwinding/start-unwinder.ts";

/** How long the mappings of an ended process are kept for samples that are still on their way. */
const ENDED_PROCESS_KEPT_NS = 10_000_000_000n;
/** How long what a chosen process maps anew may wait for its tables. */
const CHOSEN_DRAIN_MS = 20;
/** How long the rings are drained as often as can be after something happened. */
const HURRIED_NS = 1_000_000_000n;
/** How often what ended longer ago is looked for. */
const EXPIRE_INTERVAL_NS = 1_000_000_000n;

/** Samples the stacks of the host, or of chosen processes, by eBPF, and sends them as batches. */
export class EbpfReceiver implements Receiver {
  readonly #config: EbpfConfig;
  readonly #context: SourceContext;
  readonly #limits: WindowLimits;
  readonly #losses: SampleLosses;
  readonly #complaints: Complaints;
  readonly #seen = new WeakSet<ProcessIdentity>();
  #processCount = 0;
  #dropped = 0;
  #running: Running | undefined;
  /** What is being stopped. */
  #ended: Running | undefined;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  #counters: EbpfCounters = NOTHING_DONE;

  /** @param limits  of the samples that wait to be sent; smaller ones are for tests */
  constructor(config: EbpfConfig, context: SourceContext, limits: WindowLimits = WINDOW_LIMITS) {
    this.#config = config;
    this.#context = context;
    this.#limits = limits;
    this.#losses = context.shared.get(sampleLosses);
    this.#complaints = new Complaints("not taken by the pipeline", context);
    addEbpfMetrics(context.metrics, () => this.counters);
  }

  /**
   * A start of what runs already does nothing.
   *
   * @throws CollectorError PERMISSION, UNSUPPORTED or NOT_FOUND, with the mend
   */
  start(): Promise<void> {
    this.#starting ??= this.#startAsConfigured().finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  async #startAsConfigured(): Promise<void> {
    try {
      await this.#start();
    } catch (error) {
      if (this.#config.error_mode === "propagate") throw error;
      this.#context.logger.error("does not run", { reason: messageOf(error) });
    }
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
        frequencyHz: this.#config.samples_per_second,
        ringBytes: this.#config.ring_bytes,
        allowUnsafeKernel: this.#config.no_kernel_version_check,
        ...(this.#config.pids !== undefined && { pids: this.#config.pids }),
        startsPaused: true,
      });
      const unwinder = startUnwinder(sampler.unwindMaps, services, {
        clock: this.#context.clock,
        logger: this.#context.logger,
        config: this.#config,
      });
      this.#running = {
        processes,
        sampler,
        unwinder,
        services,
        kernel,
        containers: new ContainerIds(),
        frequencyHz: this.#config.samples_per_second,
        wantedHz: this.#config.samples_per_second,
        ...this.#newWindow(sampler),
        governor: new Governor({
          limitPercent: this.#config.cpu_limit,
          configuredHz: this.#config.samples_per_second,
          cpuSeconds: ownCpuSeconds,
        }),
        lostBefore: 0,
        pace: new DrainPace(),
        timer: setTimeout(() => this.#tick(), DRAIN_BUSY_MS),
        expiredAtNs: 0n,
        newsAtNs: 0n,
        isReporting: false,
        report: Promise.resolve(),
      };
      await loadChosen(unwinder, processes, {
        pids: this.#config.pids,
        clock: this.#context.clock,
      });
      sampler.resume();
    } catch (error) {
      processes[Symbol.dispose]();
      throw error;
    }
  }

  /** Sends what was sampled up to now, then gives everything back. */
  stop(): Promise<void> {
    return this.#end(async (running) => {
      running.sampler.pause();
      const endNs = this.#context.clock.monotonicNanos();
      await running.report;
      this.#drain(running);
      await this.#report(running, endNs);
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
    // Its counters are still the receiver's.
    this.#ended = running;
    clearTimeout(running.timer);
    try {
      await finish(running);
    } finally {
      await running.unwinder.end();
      this.#ended = undefined;
      this.#counters = { ...this.#countersOf(running), ...NO_MEMORY };
      running.sampler[Symbol.dispose]();
      running.processes[Symbol.dispose]();
    }
  }

  /**
   * Samples one more process and its future children. Resolves when it is walked by its tables.
   *
   * @param next  path of the program that it will run next, if that is known
   */
  async addPid(pid: number, next?: string): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    running.sampler.addPid(pid);
    running.processes.drain();
    const { clock } = this.#context;
    running.newsAtNs = clock.monotonicNanos();
    await loadChosen(running.unwinder, running.processes, { pids: [pid], next, clock });
    this.#tick();
  }

  /**
   * Samples at another frequency (Hz on each CPU) from now on, until the next start. The window
   * goes out and another begins, so that each batch has one exact period; while a report is
   * under way, that happens at its end.
   *
   * @throws CollectorError CONFIG_INVALID  out of range
   */
  setFrequency(frequencyHz: number): void {
    assertFrequency(frequencyHz);
    if (this.#running !== undefined) this.#running.wantedHz = frequencyHz;
    this.#tick();
  }

  get counters(): EbpfCounters {
    const running = this.#running ?? this.#ended;
    return running === undefined ? this.#counters : this.#countersOf(running);
  }

  #tick(): void {
    const running = this.#running;
    if (running === undefined) return;
    clearTimeout(running.timer);
    const { ringShare } = running.sampler;
    const hasProcessNews = this.#drain(running);
    const isHurried = this.#isHurried(running, hasProcessNews);
    const paceMs = running.pace.next({ hasProcessNews, ringShare, isHurried });
    const wait = this.#config.pids === undefined ? paceMs : Math.min(paceMs, CHOSEN_DRAIN_MS);
    const ageMs = Number(this.#context.clock.monotonicNanos() - running.windowStartNs) / 1e6;
    const leftMs = running.intervalMs - ageMs;
    this.#govern(running);
    const isDue = leftMs <= 0 || running.window.isFull;
    running.timer = setTimeout(() => this.#tick(), isDue ? wait : Math.min(wait, leftMs));
    // One report at a time: when the next component is slow, the window goes on.
    if (running.isReporting) return;
    const isOtherFrequency = running.wantedHz !== running.frequencyHz;
    if (!isDue && !isOtherFrequency) return;
    if (isOtherFrequency) this.#changeFrequency(running);
    running.isReporting = true;
    running.report = this.#report(running).finally(() => {
      running.isReporting = false;
      // What waited for it, as another frequency does.
      if (running.wantedHz !== running.frequencyHz) this.#tick();
    });
  }

  /**
   * Few chosen processes are followed closely: what they run or map is to have its tables at once.
   * That is too dear for all processes of a host.
   */
  #isHurried(running: Running, hasProcessNews: boolean): boolean {
    if (this.#config.pids === undefined) return false;
    const nowNs = this.#context.clock.monotonicNanos();
    if (hasProcessNews) running.newsAtNs = nowNs;
    return nowNs - running.newsAtNs < HURRIED_NS;
  }

  /** Each window has its own length, so that agents that started together do not send together. */
  #intervalMs(): number {
    const { reporter_interval, reporter_jitter } = this.#config;
    return reporter_interval * (1 + reporter_jitter * (2 * Math.random() - 1));
  }

  #govern(running: Running): void {
    const adjustment = running.governor.adjust(this.#context.clock.monotonicNanos());
    if (adjustment === undefined) return;
    const { frequencyHz, usedPercent } = adjustment;
    this.#context.logger.warn("the frequency follows the CPU time that the program takes", {
      used_percent: usedPercent.toFixed(1),
      limit_percent: this.#config.cpu_limit,
      from_hz: running.frequencyHz,
      to_hz: frequencyHz,
    });
    running.wantedHz = frequencyHz;
  }

  /** All samples of the frequency before are in the window when the other begins. */
  #changeFrequency(running: Running): void {
    const { sampler, wantedHz } = running;
    running.frequencyHz = wantedHz;
    sampler.pause();
    this.#drain(running);
    try {
      sampler.setFrequency(wantedHz);
    } catch (error) {
      // The clocks are looked for again every few seconds, so that sampling comes back.
      this.#context.logger.error("the frequency could not be changed", {
        reason: messageOf(error),
      });
    }
  }

  /** True when processes came, went or mapped something since the last drain. */
  #drain(running: Running): boolean {
    const { window, sampler, processes } = running;
    if (window.isFull && running.isReporting) {
      // The next component is slow: the ring fills, and the kernel counts what is lost. What
      // ended meanwhile is kept for the samples that the ring still holds.
      const hasProcessNews = processes.drain();
      this.#follow(running);
      return hasProcessNews;
    }
    sampler.drain((sample) => window.add(sample));
    // After the samples: what the kernel said of their processes before them is now there.
    const hasProcessNews = processes.drain();
    const newRows = window.settle((sample) =>
      processes.imageOrUnknown(sample.pid, sample.timeNs, sample.processName),
    );
    for (const row of newRows) this.#meet(running, row);
    this.#follow(running);
    this.#expire(running);
    return hasProcessNews;
  }

  #follow({ unwinder, processes }: Running): void {
    unwinder.follow((pid) => processes.imageAt(pid, this.#context.clock.monotonicNanos()));
  }

  #expire(running: Running): void {
    const nowNs = this.#context.clock.monotonicNanos();
    if (nowNs - running.expiredAtNs < EXPIRE_INTERVAL_NS) return;
    running.expiredAtNs = nowNs;
    running.processes.expire(nowNs - ENDED_PROCESS_KEPT_NS);
  }

  /** Has what only a running process can tell read while it still runs. */
  #meet(running: Running, row: WindowRow): void {
    const { window, services, containers, metMappings } = running;
    if (!this.#seen.has(row.image.process)) this.#processCount++;
    this.#seen.add(row.image.process);
    running.unwinder.want(row.image, row.result === sampleResult.pending);
    containers.meet(row.image);
    const { userStacks } = window;
    const end = userStacks.end(row.userStack);
    for (let place = userStacks.start(row.userStack); place + 1 < end; place += 2) {
      const mapping = row.image.findMapping(userStacks.item(place), userStacks.item(place + 1));
      if (mapping === undefined || metMappings.has(mapping)) continue;
      metMappings.add(mapping);
      if (mapping.path === "") services.jitMaps.meet(row.image);
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
      intervalMs: this.#intervalMs(),
      periodNs: sampler.periodNs,
      metMappings: new Set(),
    };
  }

  /**
   * Sends the window and begins the next one. Never rejects: what cannot be sent is counted.
   *
   * @param endNs  when sampling was paused; now when it was not
   */
  async #report(running: Running, endNs?: bigint): Promise<void> {
    const { window, windowStartNs, periodNs } = running;
    this.#tellLosses(running);
    Object.assign(running, this.#newWindow(running.sampler));
    const windowEndNs = endNs ?? running.windowStartNs;
    if (window.isEmpty) return;
    try {
      await running.services.executables.settled();
      running.kernel = await running.services.kernelLayout();
      const closed = { window, windowStartNs, windowEndNs, periodNs };
      const { timestamps } = this.#config;
      const batch = batchOf(running, closed, { clock: this.#context.clock, timestamps });
      await this.#context.next.consume(batch);
    } catch (error) {
      const samples = window.total;
      this.#dropped += samples;
      this.#complaints.add(samples, messageOf(error));
    }
  }

  #tellLosses(running: Running): void {
    const { lost } = running.sampler.counters();
    this.#losses.add(lost - running.lostBefore);
    running.lostBefore = lost;
  }

  #countersOf(running: Running): EbpfCounters {
    const { taken, delivered, lost, results } = running.sampler.counters();
    const { counters: processTable } = running.processes;
    const { counters: unwinding } = running.unwinder;
    const mapBytes = running.sampler.mapBytes() + running.processes.memory.bpfMapBytes;
    return {
      taken,
      delivered,
      lost,
      dropped: this.#dropped,
      processes: this.#processCount,
      processTable,
      results: namedResults(results),
      unwinding,
      frequencyHz: running.frequencyHz,
      ringBytes: running.sampler.ringBytes,
      bpfMapBytes: mapBytes + unwinding.bytes,
      sideBandBytes: running.processes.memory.ringBytes,
    };
  }
}
