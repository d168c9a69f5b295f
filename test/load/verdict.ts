import { type AgentState, slopePerSecond } from "./agent-state.ts";
import { sinkNames } from "./sinks.ts";
import { missingOf, type SoakRun } from "./soak.ts";

/** One thing that must hold, and what was seen of it. */
export interface Bar {
  readonly name: string;
  readonly seen: string;
  readonly isMet: boolean;
}

/** Ten minutes at a report a second are as many reports as an hour has. */
const VIRTUAL_HOUR_SECONDS = 600;
/** What a heap that is left to V8's pace moves by itself, over an hour's reports. */
const GROWTH_MIB_MAX = 8;
/** That of the agent alone, with three senders and what is on their way beside it. */
const PEAK_MIB_MAX = 150;
/** The connections of two HTTP clients with IN_FLIGHT_MAX requests each, which are kept. */
const MORE_SOCKETS_MAX = 20;
/** Executables that were met within the window that is not sent yet. */
const HELD_FILES_MAX = 8;
/** max_megabytes, and the file that was written last. */
const FOLDER_MIB_MAX = 1.1;
const STOP_MS_MAX = 10_000;
/** Shorter runs are all warm-up: their slope says nothing. */
const SLOPE_SECONDS_MIN = 240;

/** Judges a run by what the program promises. */
export function barsOf(run: SoakRun): Bar[] {
  return [
    ...memoryBars(run),
    ...resourceBars(run),
    ...conservationBars(run),
    equal("errors in the log, but for what was not sent", otherErrors(run), 0),
    stopBar(run),
  ];
}

/** Growth of memory in the last two thirds, MiB a second. */
export function growthPerSecond({ states }: SoakRun): number {
  return slopePerSecond(states.slice(Math.floor(states.length / 3)), "rssMib");
}

function memoryBars(run: SoakRun): Bar[] {
  const bars = [bar("peak RSS, MiB", run.quietAfter.peakMib, PEAK_MIB_MAX)];
  const first = run.states[0]?.atMs ?? 0;
  const seconds = ((run.states.at(-1)?.atMs ?? 0) - first) / 1000;
  if (seconds < SLOPE_SECONDS_MIN) return bars;
  const growth = growthPerSecond(run) * VIRTUAL_HOUR_SECONDS;
  return [...bars, bar("growth of RSS, MiB in a virtual hour", growth, GROWTH_MIB_MAX)];
}

function resourceBars({ quietBefore: before, quietAfter: after, states }: SoakRun): Bar[] {
  const threadsMax = Math.max(...states.map(({ threads }) => threads));
  return [
    equal("threads, after and before", after.threads, before.threads),
    equal("most threads, and those before", threadsMax, before.threads),
    equal("lasting fds, after and before", after.fds.lasting, before.fds.lasting),
    bar("more open files than before", after.fds.files - before.fds.files, HELD_FILES_MAX),
    bar("more sockets than before", after.fds.sockets - before.fds.sockets, MORE_SOCKETS_MAX),
  ];
}

function conservationBars(run: SoakRun): Bar[] {
  const { samples, exporters } = run;
  const bars = [
    equal("taken = delivered + lost", samples.delivered + samples.lost, samples.taken),
    equal("refused by the pipeline", samples.dropped, 0),
  ];
  for (const [name, counts] of exporters) {
    bars.push(equal(`${name}: accepted − sent − failed`, missingOf(counts, samples), 0));
  }
  for (const name of ["otlp_http", "otlp_grpc"] as const) {
    const sent = exporters.get(name)?.sent ?? Number.NaN;
    bars.push(equal(`${name}: received and sent`, run.received[name].samples, sent));
  }
  bars.push(equal("windows of which two sinks have other sums", unequalWindows(run), 0));
  bars.push(bar("profiles on disk, MiB", run.files.folderBytes / 1024 / 1024, FOLDER_MIB_MAX));
  return bars;
}

/** A batch that two sinks took has the same sum in both. */
function unequalWindows({ received }: SoakRun): number {
  const sums = Map.groupBy(
    sinkNames.flatMap((name) => [...received[name].valueByWindow]),
    ([window]) => window,
  );
  return [...sums.values()].filter((of) => new Set(of.map(([, sum]) => sum)).size > 1).length;
}

function otherErrors({ log }: SoakRun): number {
  return log.filter(({ level, msg }) => level === "error" && msg !== "not sent").length;
}

function stopBar({ end, stopMs }: SoakRun): Bar {
  const seen = `exit ${end.code ?? end.signal} after ${Math.round(stopMs)} ms`;
  return { name: "SIGTERM", seen, isMet: end.code === 0 && stopMs < STOP_MS_MAX };
}

function bar(name: string, seen: number, most: number): Bar {
  return { name, seen: `${seen.toFixed(1)} (≤ ${most})`, isMet: seen <= most };
}

function equal(name: string, seen: number, wanted: number): Bar {
  return { name, seen: `${seen} = ${wanted}`, isMet: seen === wanted };
}

/** One line of a table. */
export function stateLine(state: AgentState): string {
  const { rssMib, anonymousMib, peakMib, threads, fds } = state;
  const sizes = [rssMib, anonymousMib, peakMib].map((mib) => mib.toFixed(1).padStart(8));
  const counts = [threads, fds.sockets, fds.files, fds.lasting].map((n) => `${n}`.padStart(8));
  return [(state.atMs / 1000).toFixed(0).padStart(6), ...sizes, ...counts].join("");
}

export const STATE_HEADER = "     s     RSS    anon    peak threads sockets   files lasting";
