import { randomInt } from "node:crypto";
import type { ProcessMapping } from "../../linux/process-mapping.ts";
import type { FileDescriptor, Missing } from "../executable-file.ts";
import { openJitFileOf } from "./jit-file.ts";
import type { JitFileKind, OpenJitFile } from "./open-jit-file.ts";
import { processIds } from "./process-ids.ts";
import type { ScriptRoot } from "./source-map/script-files.ts";

/** Maps that are held open; beyond it the one met first is closed. */
const HELD_MAX = 256;
/** Processes that have none, and are not looked at again for a while. */
const MISSING_MAX = 16_384;
/** How often a process without a map is looked at: its runtime may begin one. */
const RETRY_MS = 30_000;
/** How often a map that is held is compared with the one in its place: a JVM writes a new one. */
const RECHECK_MS = 5000;

/** Numbers stay exact from there on. */
const FIRST_NUMBER_MAX = 2 ** 48 - 1;

/** A program that runs in a process, as whoever samples it knows it. */
export interface JitProcess {
  readonly pid: number;
  /** The same object for as long as the same program runs. */
  readonly program: object;
  /** What it has mapped that can be executed. */
  readonly mappings: { all(): readonly ProcessMapping[] };
}

/** A program as a profile names it. */
export interface ProfiledProgram {
  readonly pid: number;
  /** `JitMaps.numberOf` it: a pid is used again, and a process runs one program after another. */
  readonly program: number;
}

/** In a profile: which program a mapping without a file belongs to. */
export const PROGRAM_NUMBER_ATTRIBUTE = "obsforge.program.number";

/**
 * The perf maps and jitdumps of processes in whose memory without a file code was sampled. Each is
 * opened while its process runs and stays open after it, because a process that ended has no root
 * any more.
 */
export class JitMaps implements Disposable {
  readonly #byPid = new Map<number, HeldMap>();
  readonly #missing = new Map<number, MissingMap>();
  readonly #numbers = new WeakMap<object, number>();
  /** From anywhere on: a profile of another host may say any number. */
  #lastNumber = randomInt(FIRST_NUMBER_MAX);

  /** What tells a program from every other that was met here. */
  numberOf(program: object): number {
    const known = this.#numbers.get(program);
    if (known !== undefined) return known;
    this.#numbers.set(program, ++this.#lastNumber);
    return this.#lastNumber;
  }

  /** Notes that code without a file was sampled in a process. */
  meet({ pid, program, mappings }: JitProcess): void {
    const number = this.numberOf(program);
    const now = performance.now();
    const held = this.#byPid.get(pid);
    const missing = this.#missing.get(pid);
    if (held !== undefined && held.program !== number) this.#close(pid);
    else if (held !== undefined && now < held.recheckMs) return;
    if (missing !== undefined && missing.program === number && now < missing.untilMs) return;
    this.#missing.delete(pid);
    const opened = openJitFileOf(pid, mappings.all());
    if (!("missing" in opened)) this.#hold(pid, new HeldMap(opened, number, now + RECHECK_MS));
    // What was written before its runtime took it away still holds.
    else if (held?.program === number) held.recheckMs = now + RECHECK_MS;
    else this.#miss(pid, { reason: opened, program: number, untilMs: now + RETRY_MS });
  }

  /** The map of a program that was met, lent until the caller disposes of it. */
  find({ pid, program }: ProfiledProgram): JitMapFile | Missing {
    const held = this.#byPid.get(pid);
    if (held?.program === program) return held.lend(pid);
    const missing = this.#missing.get(pid);
    if (missing?.program === program) return missing.reason;
    return { missing: "no code of a runtime was seen in it, or another program has its pid now" };
  }

  [Symbol.dispose](): void {
    for (const pid of [...this.#byPid.keys()]) this.#close(pid);
  }

  #hold(pid: number, map: HeldMap): void {
    this.#close(pid);
    this.#byPid.set(pid, map);
    for (const oldest of this.#byPid.keys()) {
      if (this.#byPid.size <= HELD_MAX) break;
      this.#close(oldest);
    }
  }

  #miss(pid: number, missing: MissingMap): void {
    this.#missing.set(pid, missing);
    forgetOldest(this.#missing, MISSING_MAX);
  }

  #close(pid: number): void {
    this.#byPid.get(pid)?.[Symbol.dispose]();
    this.#byPid.delete(pid);
  }
}

interface MissingMap {
  readonly reason: Missing;
  /** Its number. */
  readonly program: number;
  readonly untilMs: number;
}

/** A map that is open for reading. */
export interface JitMapFile extends FileDescriptor {
  readonly kind: JitFileKind;
  /** Equal keys are the same map of the same process. */
  readonly key: string;
  /** Equal ones are the same program. */
  readonly owner: string;
  /** Where the process has its scripts; in a container only while it runs. */
  scripts(): ScriptRoot | undefined;
}

/** Closed when its owner and everybody whom it was lent to are done with it. */
class HeldMap implements Disposable {
  /** Its number. */
  readonly program: number;
  recheckMs: number;
  readonly #file: OpenJitFile;
  #users = 1;

  constructor(file: OpenJitFile, program: number, recheckMs: number) {
    this.#file = file;
    this.program = program;
    this.recheckMs = recheckMs;
  }

  lend(pid: number): JitMapFile {
    this.#users++;
    let isOpen = true;
    const owner = `process ${pid}, program ${this.program}`;
    return {
      kind: this.#file.kind,
      fd: this.#file.fd,
      key: `${this.#file.path} of ${owner} (${this.#file.identity})`,
      owner,
      scripts: () => this.#scripts(pid),
      [Symbol.dispose]: () => {
        if (isOpen) this[Symbol.dispose]();
        isOpen = false;
      },
    };
  }

  #scripts(pid: number): ScriptRoot | undefined {
    const { fileUser, start, isOnHost } = this.#file.process;
    const now = processIds(pid);
    // It may have given up rights since.
    const user = now?.start === start ? now.fileUser : undefined;
    if (isOnHost) return { root: "/", user: user ?? fileUser };
    return user && { root: `/proc/${pid}/root`, user };
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
