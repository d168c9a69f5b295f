import { access, constants } from "node:fs/promises";
import { dirname } from "node:path";
import { fileError } from "../support/atomic-file.ts";
import { sleep } from "../support/clock.ts";
import { CollectorError } from "../support/errors.ts";
import { STANDARD_STREAM } from "../support/output.ts";
import type { RecordFlags } from "./command-line.ts";
import { EXIT_SIGNAL_BASE } from "./exit-codes.ts";
import { flameFormatOf } from "./flame-output.ts";
import { GatheredProfile, requirePage } from "./gathered-profile.ts";
import { aborted, Interruption } from "./interruption.ts";
import { encodableFormat } from "./profile-file.ts";
import { ProfiledCommand } from "./profiled-command.ts";
import { RecordProgress } from "./record-progress.ts";
import { RecordService } from "./record-service.ts";
import { requireProcesses, untilProcessesEnd } from "./target-processes.ts";

export interface RecordOptions extends RecordFlags {
  /** The words of a command to run and profile; empty for none. */
  readonly command: readonly string[];
}

/**
 * Profiles until the time is up, the command or the processes have ended, or Ctrl-C, and
 * writes one file. Returns the command's exit code, 128 + the signal when a command was
 * interrupted, else 0.
 */
export async function runRecord(options: RecordOptions): Promise<number> {
  // Everything that can be wrong is said before anything is sampled.
  const flame = flameFormatOf(options.output, options.format);
  if (flame !== undefined) await requirePage(flame);
  using gathered = flame === undefined ? undefined : new GatheredProfile();
  const format = encodableFormat(
    gathered?.path ?? options.output,
    flame ? undefined : options.format,
  );
  await requireWritableFolder(options.output);
  const pids = targetPids(options);

  using interruption = new Interruption();
  await using service = await RecordService.create({
    ...options,
    pids,
    output: gathered?.path ?? options.output,
    format: format.name,
  });
  await service.start();
  await using command = await prepareCommand(options.command);
  // The shell in which it waits has most of the libraries that it will have.
  if (command !== undefined) await service.receiver.addPid(command.pid, command.program);
  using progress = new RecordProgress(options, () => service.receiver.counters);
  command?.release();
  await untilDone(options, command, interruption.signal);
  await service.finish();
  if (flame !== undefined) await gathered?.writeAs(flame, options.output);
  progress.finish(service.shares());
  if (command === undefined) return 0;
  await command.end();
  return interruption.signalNumber === 0
    ? await command.exitCode
    : EXIT_SIGNAL_BASE + interruption.signalNumber;
}

/**
 * The processes to start with: those of -p; none yet for a command, which is added when it
 * has a pid; undefined for the whole host.
 */
function targetPids(options: RecordOptions): readonly number[] | undefined {
  const pids = options.pid ?? [];
  if (options.all && pids.length > 0) {
    throw new CollectorError("CONFIG_INVALID", "-a is every process and -p is one: give only one");
  }
  requireProcesses(pids);
  if (options.all) return undefined;
  return pids.length > 0 || options.command.length > 0 ? pids : undefined;
}

async function prepareCommand(words: readonly string[]): Promise<ProfiledCommand | undefined> {
  return words.length > 0 ? ProfiledCommand.prepare(words) : undefined;
}

/** Resolves at the first of: time is up, command ended, the named processes ended, Ctrl-C. */
async function untilDone(
  options: RecordOptions,
  command: ProfiledCommand | undefined,
  interrupted: AbortSignal,
): Promise<void> {
  const done = new AbortController();
  const signal = AbortSignal.any([done.signal, interrupted]);
  const ends: Promise<unknown>[] = [aborted(interrupted)];
  if (options.duration !== undefined) ends.push(sleep(options.duration * 1000, signal));
  if (command !== undefined) ends.push(command.exitCode);
  else if (options.pid !== undefined) ends.push(untilProcessesEnd(options.pid, signal));
  await Promise.race(ends);
  done.abort();
}

async function requireWritableFolder(output: string): Promise<void> {
  if (output === STANDARD_STREAM) return;
  try {
    await access(dirname(output), constants.W_OK | constants.X_OK);
  } catch (error) {
    throw fileError(output, error);
  }
}
