import type { ProcessMapping } from "../../linux/process-mapping.ts";
import type { TaskRecord, VmaRecord } from "../../linux/task-vma.ts";
import type { ImageHistory } from "./image-history.ts";
import { MappingSet } from "./mapping-set.ts";
import { TrackedImage } from "./process-image.ts";
import type { ProcessSources } from "./process-sources.ts";

/**
 * A process is created a little before its FORK record is written. Within this time a pid is
 * never used twice: all others have to be used between.
 */
const START_TOLERANCE_NS = 100_000_000n;

/** True when a process that began at that time may be the one of the image. */
export function isSameStart(image: TrackedImage, startNs: bigint): boolean {
  const known = image.processStartNs;
  if (known === undefined) return true;
  const difference = known - startNs;
  return difference < START_TOLERANCE_NS && difference > -START_TOLERANCE_NS;
}

/**
 * Scans the host and makes the history agree with it: processes that are not known are added,
 * those that are gone end, and threads and mappings of the others become what they are now.
 * Records from before the scan may still come after it; they change nothing for the worse.
 *
 * @returns processes with more mappings than there is room for
 */
export function reconcile(history: ImageHistory, sources: ProcessSources, nowNs: bigint): number {
  const scan = sources.scan();
  const tasksByPid = Map.groupBy(scan.tasks, (task) => task.pid);
  const mappingsByPid = groupMappings(scan.mappings);
  let refused = 0;
  for (const [pid, tasks] of tasksByPid) {
    const mappings = mappingsByPid.get(pid) ?? [];
    const known = imageOf(history, { pid, tasks, sources, nowNs });
    // When the files came is lost with the records that told of it.
    const image = history.generationFor(known, mappings, nowNs);
    image.setThreads(tasks, nowNs);
    if (!image.mappings.replaceBy(mappings)) refused++;
    image.isComplete = true;
    if (image.liveThreads === 0) history.end(image, nowNs);
  }
  for (const image of history.allRunning()) {
    if (!tasksByPid.has(image.pid)) history.end(image, nowNs);
  }
  return refused;
}

interface ScannedProcess {
  readonly pid: number;
  readonly tasks: readonly TaskRecord[];
  readonly sources: ProcessSources;
  readonly nowNs: bigint;
}

/** The image that is known, when the process and its program are still the same; else a new one. */
function imageOf(history: ImageHistory, scanned: ScannedProcess): TrackedImage {
  const { pid, tasks, sources, nowNs } = scanned;
  const leader = tasks.find((task) => task.tid === pid) ?? (tasks[0] as TaskRecord);
  const known = history.running(pid);
  const isSameProcess = known !== undefined && isSameStart(known, leader.startNs);
  if (isSameProcess && known.isComplete && known.processName === leader.name) return known;
  const executablePath = leader.isKernelThread ? "" : sources.executablePath(pid);
  if (isSameProcess && known.isComplete && known.executablePath === executablePath) return known;
  const image = new TrackedImage({
    pid,
    process: isSameProcess ? known.process : undefined,
    parentPid: leader.parentPid,
    // Another program in a known process: when it began was lost.
    startNs: isSameProcess && known.isComplete ? nowNs : leader.startNs,
    processStartNs: leader.startNs,
    processName: leader.name,
    executablePath,
    isKernelThread: leader.isKernelThread,
    mappings: new MappingSet(),
    isComplete: true,
  });
  if (isSameProcess && !known.isComplete) history.replace(known, image);
  else history.add(image);
  return image;
}

function groupMappings(records: readonly VmaRecord[]): Map<number, ProcessMapping[]> {
  const byPid = new Map<number, ProcessMapping[]>();
  for (const { pid, mapping } of records) {
    byPid.getOrInsertComputed(pid, () => []).push(mapping);
  }
  return byPid;
}
