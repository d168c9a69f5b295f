import { type ChildProcess, spawn } from "node:child_process";
import { availableParallelism } from "node:os";

/** Programs that run until their scope ends. */
export interface BusyPrograms extends Disposable {
  /** In the order of the commands. */
  readonly pids: readonly number[];
}

/** Starts programs, each by its words. */
export function startBusy(commands: readonly (readonly string[])[]): BusyPrograms {
  const started: ChildProcess[] = commands.map(([program, ...args]) =>
    spawn(program as string, args, { stdio: "ignore" }),
  );
  return {
    pids: started.map(({ pid }) => pid as number),
    [Symbol.dispose]: () => {
      for (const program of started) program.kill("SIGKILL");
    },
  };
}

/** Keeps CPUs busy in a shell; all of them when no number is given. */
export function startBusyLoops(count: number = availableParallelism()): BusyPrograms {
  return startBusy(Array(count).fill(["sh", "-c", "while :; do :; done"]));
}
