import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { constants as osConstants } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { callingUser } from "../support/calling-user.ts";
import { CollectorError } from "../support/errors.ts";
import { EXIT_SIGNAL_BASE } from "./exit-codes.ts";

/** How long a command may take to end after it was asked to. */
const END_WAIT_MS = 2000;

/**
 * A command that waits, as a process that already has its pid, until the profiler follows that
 * pid; then it runs. So nothing of it is missed, its first instruction included.
 */
export class ProfiledCommand implements AsyncDisposable {
  readonly pid: number;
  /** Absolute path of what will run. */
  readonly program: string;
  /** The exit code as a shell reports it: the command's own, or 128 + the signal. */
  readonly exitCode: Promise<number>;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, program: string) {
    this.#child = child;
    this.program = program;
    this.pid = child.pid as number;
    this.exitCode = new Promise((settle) => {
      child.once("exit", (code, signal) => settle(code ?? signalExitCode(signal)));
    });
  }

  /**
   * Makes the waiting process, as the user who called sudo when there is one.
   *
   * @throws CollectorError NOT_FOUND  there is no such command
   */
  static async prepare(command: readonly string[]): Promise<ProfiledCommand> {
    const program = findCommand(command[0] as string);
    const [file, ...args] = [...asCallingUser(), "/bin/sh", "-c", WAIT_THEN_RUN, "obsforge"];
    const child = spawn(file as string, [...args, ...command], {
      stdio: ["inherit", "inherit", "inherit", "pipe"],
      env: { ...userEnvironment(process.env), ...callingUserEnvironment() },
    });
    await new Promise<void>((started, reject) => {
      child.once("spawn", started);
      child.once("error", (error) => reject(startError(command, error)));
    });
    return new ProfiledCommand(child, program);
  }

  /** Lets the command run. */
  release(): void {
    const gate = this.#child.stdio[3] as NodeJS.WritableStream;
    // The process may have been killed while it waited; that shows in its exit code.
    gate.on("error", () => {});
    gate.end("run\n");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end();
  }

  /** Asks a command that still runs to end, and insists when it does not. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGTERM");
    const insist = setTimeout(() => this.#child.kill("SIGKILL"), END_WAIT_MS);
    await this.exitCode;
    clearTimeout(insist);
  }
}

/** Descriptor 3 is the gate: a line opens it, its end without a line means that nobody profiles. */
const WAIT_THEN_RUN = 'read -r _ <&3 || exit 1; exec "$@" 3<&-';

/** The words that make what follows run as the user who called sudo. */
function asCallingUser(): string[] {
  const user = callingUser();
  if (user === undefined) return [];
  return ["setpriv", `--reuid=${user.uid}`, `--regid=${user.gid}`, "--init-groups", "--"];
}

/**
 * The environment as the user has it: bin/obsforge keeps what is meant for the user's own
 * programs in Node under other names.
 */
export function userEnvironment(own: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const environment = { ...own };
  for (const name of ["NODE_OPTIONS", "NODE_COMPILE_CACHE"]) {
    const kept = environment[`OBSFORGE_USER_${name}`];
    delete environment[`OBSFORGE_USER_${name}`];
    delete environment[name];
    if (kept !== undefined) environment[name] = kept;
  }
  return environment;
}

/** What sudo replaced and a program of that user expects. */
function callingUserEnvironment(): Record<string, string> {
  const user = callingUser();
  if (user === undefined || user.name === "") return {};
  const home = homeOf(user.name);
  return { USER: user.name, LOGNAME: user.name, ...(home && { HOME: home }) };
}

/** The sixth field of the user's line in /etc/passwd; undefined when it has none there. */
function homeOf(userName: string): string | undefined {
  const users = readFileSync("/etc/passwd", "utf8").split("\n");
  return users.map((line) => line.split(":")).find(([name]) => name === userName)?.[5];
}

function findCommand(name: string): string {
  const places = name.includes("/")
    ? [name]
    : (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, name));
  const found = places.find(isExecutableFile);
  if (found !== undefined) return resolve(found);
  const hint = /^\d+$/.test(name)
    ? `to profile the process ${name}, use -p ${name}`
    : "check its spelling, or give its path";
  throw new CollectorError("NOT_FOUND", `${name}: no such command: ${hint}`);
}

function isExecutableFile(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function signalExitCode(signal: NodeJS.Signals | null): number {
  return EXIT_SIGNAL_BASE + (signal === null ? 0 : osConstants.signals[signal]);
}

function startError(command: readonly string[], cause: Error): CollectorError {
  return new CollectorError("INTERNAL", `${command[0]} did not start: ${cause.message}`, { cause });
}
