import type { BpfLink, BpfProgram } from "../../linux/bpf.ts";
import { close } from "../../linux/libc.ts";
import { disableEvent, enableEvent, openCpuClock, runningTimeNs } from "../../linux/perf-event.ts";

/** What runs a program on one CPU's clock. */
export interface CpuClock extends Disposable {
  enable(): void;
  disable(): void;
  /** False when the CPU went offline since the last call, even if it is back. */
  isAlive(): boolean;
}

/** Opens and starts the clock of a CPU; "offline" when the CPU is not there. */
export type OpenCpuClock = (cpu: number) => CpuClock | "offline";

/** One clock for each online CPU, as CPUs come and go. */
export class CpuClocks implements Disposable {
  readonly #open: OpenCpuClock;
  readonly #clocks = new Map<number, CpuClock>();
  #paused = false;

  constructor(open: OpenCpuClock) {
    this.#open = open;
  }

  get cpus(): number[] {
    return [...this.#clocks.keys()];
  }

  /**
   * Closes the clocks of CPUs that are gone and opens those that are missing. Nothing changes
   * during a pause: a clock that is opened ticks at once.
   */
  follow(online: readonly number[]): void {
    if (this.#paused) return;
    const wanted = new Set(online);
    for (const [cpu, clock] of this.#clocks) {
      if (wanted.has(cpu) && clock.isAlive()) continue;
      clock[Symbol.dispose]();
      this.#clocks.delete(cpu);
    }
    for (const cpu of online) {
      if (this.#clocks.has(cpu)) continue;
      const clock = this.#open(cpu);
      if (clock !== "offline") this.#clocks.set(cpu, clock);
    }
  }

  /** Closes all clocks and opens those of the online CPUs, which may tick otherwise; ends a pause. */
  reopen(online: readonly number[]): void {
    this.#closeAll();
    this.#paused = false;
    this.follow(online);
  }

  /** When this returns, no clock runs the program until `resume`. */
  pause(): void {
    this.#paused = true;
    for (const clock of this.#clocks.values()) clock.disable();
  }

  resume(): void {
    this.#paused = false;
    for (const clock of this.#clocks.values()) clock.enable();
  }

  /** When this returns, no clock runs the program any more. */
  [Symbol.dispose](): void {
    this.#closeAll();
  }

  #closeAll(): void {
    for (const clock of this.#clocks.values()) clock[Symbol.dispose]();
    this.#clocks.clear();
  }
}

/** Opens clocks of the kernel that run `program` each `periodNs()`, asked at the opening. */
export function kernelClocks(program: BpfProgram, periodNs: () => number): OpenCpuClock {
  return (cpu) => {
    const eventFd = openCpuClock(cpu, periodNs());
    if (eventFd === "offline") return "offline";
    try {
      return new KernelClock(eventFd, program.attachPerfEvent(eventFd));
    } catch (error) {
      close(eventFd);
      throw error;
    }
  };
}

class KernelClock implements CpuClock {
  readonly #eventFd: number;
  readonly #link: BpfLink;
  #runningNs = -1n;

  constructor(eventFd: number, link: BpfLink) {
    this.#eventFd = eventFd;
    this.#link = link;
  }

  enable(): void {
    enableEvent(this.#eventFd);
  }

  disable(): void {
    disableEvent(this.#eventFd);
  }

  isAlive(): boolean {
    const runningNs = runningTimeNs(this.#eventFd);
    const alive = runningNs > this.#runningNs;
    this.#runningNs = runningNs;
    return alive;
  }

  [Symbol.dispose](): void {
    this.#link[Symbol.dispose]();
  }
}
