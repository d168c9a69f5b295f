import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sleep } from "../../src/support/clock.ts";
import { buildProgram } from "../support/build-program.ts";

/** How often a program starts from a file that there never was before. */
const NEW_FILE_INTERVAL_MS = 200;
/** How often one loads a library of that kind, and one runs threads, in new files. */
const LIBRARY_EVERY = 20;
const THREADS_EVERY = 10;
/** A file's name is taken away while its process still runs. */
const UNLINK_AFTER_MS = 100;
/** Two processes each turn, `true` and `sleep`. */
const SMALL_PROCESSES = "while :; do /bin/true; sleep 0.05; done";
/** A long-lived one that takes about half a CPU. */
const LONG_LIVED = "while :; do i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 0.05; done";
const BUILD_ID_NOTE = Buffer.from("040000001400000003000000474e5500", "hex");
const BUILD_ID_BYTES = 20;

/** Programs that start and end until it is disposed of. */
export interface HostChurn extends AsyncDisposable {
  /** Programs started from a file of their own. */
  readonly newFiles: number;
}

/** Starts what a busy host does in `folder`, which the caller removes. */
export function startHostChurn(folder: string): HostChurn {
  return new Churn(folder);
}

class Churn implements HostChurn {
  readonly #folder: string;
  readonly #stop = new AbortController();
  readonly #running = new Set<ChildProcess>();
  readonly #done: Promise<void>;
  #number = 0;

  constructor(folder: string) {
    this.#folder = folder;
    for (const script of [SMALL_PROCESSES, LONG_LIVED]) this.#spawn("sh", ["-c", script]);
    this.#done = this.#work();
  }

  get newFiles(): number {
    return this.#number;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#done;
    const ends = [...this.#running].map((child) => once(child, "exit"));
    for (const child of this.#running) child.kill("SIGKILL");
    await Promise.all(ends);
  }

  async #work(): Promise<void> {
    const program = readFileSync(buildProgram("short_lived.c"));
    const threads = readFileSync(buildProgram("threads.c"));
    const loader = buildProgram("late_library.c");
    const library = readFileSync(buildProgram("late_library.c", ["-DLIBRARY", "-shared", "-fPIC"]));
    while (!this.#stop.signal.aborted) {
      const number = ++this.#number;
      if (number % LIBRARY_EVERY === 0) {
        const path = await this.#newFile(library, number);
        this.#unlinkAfter(path, this.#spawn(loader, ["0.05", path]));
      } else if (number % THREADS_EVERY === 0) {
        const path = await this.#newFile(threads, number);
        this.#unlinkAfter(path, this.#spawn(path, ["8", "0.01"]));
      } else {
        const path = await this.#newFile(program, number);
        this.#unlinkAfter(path, this.#spawn(path, ["2", "15"]), UNLINK_AFTER_MS);
      }
      await sleep(NEW_FILE_INTERVAL_MS, this.#stop.signal);
    }
  }

  /** The same program under a name, an inode and a build id that there never were. */
  async #newFile(program: Buffer, number: number): Promise<string> {
    const bytes = Buffer.from(program);
    const note = bytes.indexOf(BUILD_ID_NOTE);
    if (note < 0) throw new Error("the program has no build id");
    const buildId = note + BUILD_ID_NOTE.length;
    bytes.fill(0, buildId, buildId + BUILD_ID_BYTES);
    bytes.writeUInt32LE(number, buildId);
    const path = join(this.#folder, `program-${number}`);
    await writeFile(path, bytes, { mode: 0o755 });
    return path;
  }

  /** @param afterMs  the file's name goes then, and at the process's end when it is not given */
  #unlinkAfter(path: string, child: ChildProcess, afterMs?: number): void {
    const unlink = (): void => void rm(path, { force: true });
    if (afterMs === undefined) child.on("exit", unlink);
    else setTimeout(unlink, afterMs);
  }

  #spawn(program: string, args: readonly string[]): ChildProcess {
    const child = spawn(program, args, { stdio: "ignore" });
    this.#running.add(child);
    child.on("exit", () => this.#running.delete(child));
    // A file that is still open for writing in a child that forks at this moment is busy.
    child.on("error", () => this.#running.delete(child));
    return child;
  }
}
