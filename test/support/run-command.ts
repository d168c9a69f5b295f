import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { packageRoot } from "../../src/support/package-root.ts";

/** How a command ended. `code` is null when a signal ended it. */
export interface CommandResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** The command is ended by SIGKILL after this; 60 seconds when not given. */
  readonly timeoutMs?: number;
  readonly uid?: number;
  readonly gid?: number;
}

/** A process that this test started and that ends with its scope: `await using`. */
export interface RunningCommand extends AsyncDisposable {
  readonly pid: number;
  /** Resolves when it has ended and its output is complete. Never rejects. */
  readonly ended: Promise<CommandResult>;
  signal(name: NodeJS.Signals): void;
  /** What it has written to standard output up to now. */
  stdout(): string;
  /** The same of standard error. */
  stderr(): string;
}

const COMMAND_TIMEOUT_MS = 60_000;

/** Starts a program of this test; rejects when it cannot be started. */
export async function startCommand(
  program: string,
  args: readonly string[] = [],
  options: CommandOptions = {},
): Promise<RunningCommand> {
  const child = spawn(program, args, spawnOptions(options));
  const output = { stdout: "", stderr: "" };
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    output.stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    output.stderr += text;
  });
  const closed = once(child, "close");
  closed.catch(() => {});
  await once(child, "spawn");
  const ended = endOf(child, closed, output, options.timeoutMs ?? COMMAND_TIMEOUT_MS);
  return {
    pid: child.pid as number,
    ended,
    signal: (name) => void child.kill(name),
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** Runs a program to its end; a code ≠ 0 is a result and not an error. */
export async function runCommand(
  program: string,
  args: readonly string[] = [],
  options: CommandOptions = {},
): Promise<CommandResult> {
  await using command = await startCommand(program, args, options);
  return await command.ended;
}

/** Starts bin/obsforge of this checkout. */
export function startObsforge(
  args: readonly string[],
  options: CommandOptions = {},
): Promise<RunningCommand> {
  return startCommand(join(packageRoot(), "bin/obsforge"), args, options);
}

/** Runs bin/obsforge of this checkout. */
export function runObsforge(
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return runCommand(join(packageRoot(), "bin/obsforge"), args, options);
}

function spawnOptions(options: CommandOptions): SpawnOptions {
  return {
    stdio: ["ignore", "pipe", "pipe"],
    env: options.env ?? process.env,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
  };
}

async function endOf(
  child: ChildProcess,
  closed: Promise<unknown[]>,
  output: { stdout: string; stderr: string },
  timeoutMs: number,
): Promise<CommandResult> {
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  await closed;
  clearTimeout(timer);
  return { code: child.exitCode, signal: child.signalCode, ...output };
}
