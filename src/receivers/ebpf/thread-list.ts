/** Names of ended threads that one program keeps for samples on their way. */
const ENDED_THREADS_MAX = 4096;
/** Threads that one program knows: as many as the kernel gives process ids by default. */
const THREADS_MAX = 32_768;

/** A thread as a scan finds it. */
export interface ScannedThread {
  readonly tid: number;
  readonly name: string;
  /** On its way out. */
  readonly isExiting: boolean;
}

/** The threads of one program, living ones and, for samples on their way, some that ended. */
export class ThreadList {
  readonly #threads = new Map<number, Thread>();
  readonly #ended: Thread[] = [];
  #live = 0;

  get live(): number {
    return this.#live;
  }

  get hasEnded(): boolean {
    return this.#ended.length > 0;
  }

  /** The last name of a thread; undefined for one that is not known or has no name. */
  nameOf(tid: number): string | undefined {
    return this.#threads.get(tid)?.name || undefined;
  }

  /** Names a thread, which is new or has a new name. */
  name(tid: number, name: string): void {
    const known = this.#threads.get(tid);
    if (known !== undefined && known.exitNs === undefined) {
      known.name = name;
      return;
    }
    if (this.#threads.size >= THREADS_MAX) return;
    this.#threads.set(tid, { tid, name, exitNs: undefined });
    this.#live++;
  }

  /** Notes the end of a thread. False when it was not known, or ended before. */
  end(tid: number, exitNs: bigint): boolean {
    const thread = this.#threads.get(tid);
    if (thread === undefined || thread.exitNs !== undefined) return false;
    thread.exitNs = exitNs;
    this.#live--;
    this.#ended.push(thread);
    if (this.#ended.length > ENDED_THREADS_MAX) this.#forgetEnded(1);
    return true;
  }

  /** Ends, at that time, all that are not among these. */
  endOthers(tids: ReadonlySet<number>, exitNs: bigint): void {
    for (const { tid } of this.#threads.values()) {
      if (!tids.has(tid)) this.end(tid, exitNs);
    }
  }

  /** Forgets the names of threads that ended before. */
  forgetBefore(timeNs: bigint): void {
    const kept = this.#ended.findIndex((thread) => (thread.exitNs ?? 0n) >= timeNs);
    this.#forgetEnded(kept < 0 ? this.#ended.length : kept);
  }

  #forgetEnded(count: number): void {
    for (const thread of this.#ended.splice(0, count)) {
      // The id may be in use again by then.
      if (this.#threads.get(thread.tid) === thread) this.#threads.delete(thread.tid);
    }
  }
}

interface Thread {
  readonly tid: number;
  name: string;
  exitNs: bigint | undefined;
}
