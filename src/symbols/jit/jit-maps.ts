import type { FileDescriptor, Missing } from "../executable-file.ts";
import { type OpenPerfMap, openPerfMapOf } from "./perf-map-file.ts";

/** Maps that are held open; beyond it the one met first is closed. */
const HELD_MAX = 256;
/** Processes that have none, and are not looked at again for a while. */
const MISSING_MAX = 16_384;
/** How often a process without a map is looked at: its runtime may begin one. */
const RETRY_MS = 30_000;

/** A program that runs in a process, as whoever samples it knows it. */
export interface JitProcess {
  readonly pid: number;
  /** The same object for as long as the same program runs. */
  readonly program: object;
}

/**
 * The perf maps of processes in whose memory without a file code was sampled. Each is opened while
 * its process runs and stays open after it, because a process that ended has no root any more.
 */
export class JitMaps implements Disposable {
  readonly #byPid = new Map<number, HeldMap>();
  readonly #missing = new Map<number, { readonly reason: Missing; readonly untilMs: number }>();

  /** Notes that code without a file was sampled in a process. */
  meet({ pid, program }: JitProcess): void {
    const known = this.#byPid.get(pid);
    if (known?.program.deref() === program) return;
    if (known !== undefined) this.#close(pid);
    const missing = this.#missing.get(pid);
    if (missing !== undefined && performance.now() < missing.untilMs) return;
    const opened = openPerfMapOf(pid);
    if ("missing" in opened) {
      this.#missing.delete(pid);
      this.#missing.set(pid, { reason: opened, untilMs: performance.now() + RETRY_MS });
      forgetOldest(this.#missing, MISSING_MAX);
      return;
    }
    this.#missing.delete(pid);
    this.#byPid.set(pid, new HeldMap(opened, program));
    for (const oldest of this.#byPid.keys()) {
      if (this.#byPid.size <= HELD_MAX) break;
      this.#close(oldest);
    }
  }

  /** The map of a process that was met, lent until the caller disposes of it. */
  find(pid: number): JitMapFile | Missing {
    const held = this.#byPid.get(pid);
    if (held !== undefined) return held.lend(pid);
    return this.#missing.get(pid)?.reason ?? { missing: "no code of a runtime was seen in it" };
  }

  [Symbol.dispose](): void {
    for (const pid of [...this.#byPid.keys()]) this.#close(pid);
  }

  #close(pid: number): void {
    this.#byPid.get(pid)?.[Symbol.dispose]();
    this.#byPid.delete(pid);
  }
}

/** A map that is open for reading. */
export interface JitMapFile extends FileDescriptor {
  /** Equal keys are the same map of the same process. */
  readonly key: string;
}

/** Closed when its owner and everybody whom it was lent to are done with it. */
class HeldMap implements Disposable {
  readonly program: WeakRef<object>;
  readonly #file: OpenPerfMap;
  #users = 1;

  constructor(file: OpenPerfMap, program: object) {
    this.#file = file;
    this.program = new WeakRef(program);
  }

  lend(pid: number): JitMapFile {
    this.#users++;
    let isOpen = true;
    return {
      fd: this.#file.fd,
      key: `${this.#file.path} of process ${pid} (${this.#file.identity})`,
      [Symbol.dispose]: () => {
        if (isOpen) this[Symbol.dispose]();
        isOpen = false;
      },
    };
  }

  [Symbol.dispose](): void {
    if (--this.#users === 0) this.#file[Symbol.dispose]();
  }
}

function forgetOldest(map: Map<number, unknown>, max: number): void {
  for (const oldest of map.keys()) {
    if (map.size <= max) return;
    map.delete(oldest);
  }
}
