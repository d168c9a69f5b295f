import { isFileBacked } from "../../linux/process-mapping.ts";
import type {
  CommRecord,
  ExitRecord,
  ForkRecord,
  MmapRecord,
  SideBandRecord,
} from "../../linux/side-band-records.ts";
import { IMAGES_MAX, ImageHistory } from "./image-history.ts";
import { MappingSet } from "./mapping-set.ts";
import { type ProcessImage, TrackedImage, unknownImage } from "./process-image.ts";
import { HostProcessSources, type ProcessSources, type SourceMemory } from "./process-sources.ts";
import { isSameStart, reconcile } from "./reconcile.ts";

/** Lost records make the table scan the host again, at most so often. */
const RESCAN_INTERVAL_NS = 1_000_000_000n;
/** How often the number of mappings is held below its limit. */
const LIMITS_INTERVAL_NS = 1_000_000_000n;
/** Nothing tells of unmappings, and a mistake shall not stay for ever. */
const RESYNC_INTERVAL_NS = 300_000_000_000n;
/** Processes read from /proc between two drains: a few milliseconds at most. */
const PROC_READS_PER_DRAIN_MAX = 16;
/** Images made up for processes of which nothing is known. */
const UNKNOWN_IMAGES_MAX = 1024;
/** The kernel writes -1 for a process that has no id any more, or none that we can see. */
const PID_MAX = 0x7fff_ffff;

export interface ProcessCounters {
  /** Records of the kernel that had no room in a ring. */
  readonly lostRecords: number;
  /** Scans of the host after the first one. */
  readonly rescans: number;
  /** Scans that failed and are tried again. */
  readonly failedScans: number;
  /** Images that are kept now, running and ended. */
  readonly images: number;
  /** Of them: ended ones. */
  readonly endedImages: number;
  /** Images forgotten to hold the limits. */
  readonly evictedImages: number;
  /** Files that took the place of others too fast, or too often, to be told apart by time. */
  readonly refusedGenerations: number;
  /** Mappings that had no room in their process. */
  readonly refusedMappings: number;
  /** Processes that had to be read from /proc. */
  readonly procReads: number;
  /** Lookups that found no image. */
  readonly unknownLookups: number;
}

/**
 * Who ran where and when, and what it had mapped, of every process of the host: from one scan
 * at the start and the kernel's side-band since then. Times are those of CLOCK_MONOTONIC.
 */
export class ProcessTable implements Disposable {
  readonly #sources: ProcessSources;
  readonly #history = new ImageHistory();
  readonly #unknown = new Map<number, TrackedImage>();
  readonly #unreadable = new Set<number>();
  #drains = 0;
  #scannedAtNs = 0n;
  #needsRescan = false;
  #limitsAtNs = 0n;
  #procReadsLeft = PROC_READS_PER_DRAIN_MAX;
  #lostRecords = 0;
  #rescans = 0;
  #failedScans = 0;
  #refusedMappings = 0;
  #procReads = 0;
  #unknownLookups = 0;

  /** Takes over `sources`, which send records already, and scans the host. */
  constructor(sources: ProcessSources) {
    this.#sources = sources;
    this.#scan(sources.nowNs());
  }

  /**
   * Knows every process from here on.
   *
   * @throws CollectorError PERMISSION or UNSUPPORTED  the kernel refuses; the message says what
   */
  static start(): ProcessTable {
    const sources = HostProcessSources.open();
    try {
      return new ProcessTable(sources);
    } catch (error) {
      sources[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Takes in what happened up to now. Never waits; the rings bound the work.
   *
   * @returns false when nothing did
   */
  drain(): boolean {
    const nowNs = this.#sources.nowNs();
    this.#drains++;
    this.#procReadsLeft = PROC_READS_PER_DRAIN_MAX;
    this.#unreadable.clear();
    const records = this.#sources.drain(nowNs);
    for (const record of records) this.#apply(record);
    const sinceScan = nowNs - this.#scannedAtNs;
    const scans = sinceScan >= (this.#needsRescan ? RESCAN_INTERVAL_NS : RESYNC_INTERVAL_NS);
    if (scans) this.#rescan(nowNs);
    const hasNews = records.length > 0 || scans;
    if (hasNews) this.#enforceLimits(nowNs);
    return hasNews;
  }

  /** Mappings are counted in all images, so not at every drain: a second brings few beside them. */
  #enforceLimits(nowNs: bigint): void {
    const isSoon = nowNs - this.#limitsAtNs < LIMITS_INTERVAL_NS;
    if (isSoon && this.#history.size <= IMAGES_MAX) return;
    this.#limitsAtNs = nowNs;
    this.#history.enforceLimits();
  }

  /** The program that ran in a process at that time, which the last drain has passed. */
  imageAt(pid: number, timeNs: bigint): ProcessImage | undefined {
    const found = this.#history.at(pid, timeNs);
    if (found?.isComplete) {
      found.lastUsed = this.#drains;
      return found;
    }
    const image = this.#readFromProc(pid, timeNs) ?? found;
    if (image === undefined) this.#unknownLookups++;
    else image.lastUsed = this.#drains;
    return image;
  }

  /**
   * As `imageAt`; a process of which nothing is known gets an image that has only the name
   * that its sample carries, the same one for the same process.
   */
  imageOrUnknown(pid: number, timeNs: bigint, processName: string): ProcessImage {
    const known = this.imageAt(pid, timeNs);
    if (known !== undefined) return known;
    const before = this.#unknown.get(pid);
    if (before?.processName === processName) return before;
    if (this.#unknown.size >= UNKNOWN_IMAGES_MAX) this.#unknown.clear();
    const image = unknownImage(pid, timeNs, processName);
    this.#unknown.set(pid, image);
    return image;
  }

  get memory(): SourceMemory {
    return this.#sources.memory;
  }

  get counters(): ProcessCounters {
    return {
      lostRecords: this.#lostRecords,
      rescans: this.#rescans,
      failedScans: this.#failedScans,
      images: this.#history.size,
      endedImages: this.#history.endedSize,
      evictedImages: this.#history.evicted,
      refusedGenerations: this.#history.refusedGenerations,
      refusedMappings: this.#refusedMappings,
      procReads: this.#procReads,
      unknownLookups: this.#unknownLookups,
    };
  }

  /** Forgets what ended before that time. Images that were handed out stay as they are. */
  expire(beforeNs: bigint): void {
    this.#history.expire(beforeNs);
    for (const [pid, image] of this.#unknown) {
      if (image.startNs < beforeNs) this.#unknown.delete(pid);
    }
  }

  [Symbol.dispose](): void {
    this.#sources[Symbol.dispose]();
  }

  /** A host that is short of something for a moment is scanned later. */
  #rescan(nowNs: bigint): void {
    try {
      this.#scan(nowNs);
      this.#rescans++;
    } catch {
      this.#failedScans++;
      this.#scannedAtNs = nowNs;
      this.#needsRescan = true;
    }
  }

  #scan(nowNs: bigint): void {
    this.#refusedMappings += reconcile(this.#history, this.#sources, nowNs);
    this.#scannedAtNs = nowNs;
    this.#needsRescan = false;
  }

  #apply(record: SideBandRecord): void {
    if (record.kind === "lost") {
      this.#lostRecords += record.count;
      this.#needsRescan = true;
      return;
    }
    if (record.pid > PID_MAX || record.pid === 0) return;
    if (record.kind === "mmap") this.#applyMmap(record);
    else if (record.kind === "comm") this.#applyComm(record);
    else if (record.kind === "fork") this.#applyFork(record);
    else this.#applyExit(record);
  }

  #applyMmap({ pid, timeNs, mapping }: MmapRecord): void {
    const running = this.#history.running(pid) ?? this.#addOrphan(pid, timeNs);
    const image = this.#history.generationFor(running, [mapping], timeNs);
    image.lastUsed = this.#drains;
    if (!image.mappings.insert(mapping)) this.#refusedMappings++;
    if (!image.awaitsExecutable || !isFileBacked(mapping)) return;
    image.awaitsExecutable = false;
    image.executablePath = mapping.path;
  }

  #applyComm({ pid, tid, timeNs, name, exec }: CommRecord): void {
    const running = this.#history.running(pid);
    if (!exec) {
      (running ?? this.#addOrphan(pid, timeNs)).nameThread(tid, name);
      return;
    }
    const image = new TrackedImage({
      pid,
      process: running?.process,
      parentPid: running?.parentPid,
      startNs: timeNs,
      processStartNs: running?.processStartNs,
      processName: name,
      executablePath: "",
      isKernelThread: false,
      mappings: new MappingSet(),
      isComplete: true,
    });
    image.awaitsExecutable = true;
    this.#add(image, pid, name);
  }

  #applyFork({ pid, tid, parentPid, parentTid, timeNs }: ForkRecord): void {
    const running = this.#history.running(pid);
    const parent = this.#history.latest(parentPid);
    const name = parent?.threadName(parentTid) ?? parent?.processName ?? "";
    if (tid !== pid) {
      (running ?? this.#addOrphan(pid, timeNs)).nameThread(tid, name);
      return;
    }
    if (running !== undefined && isSameStart(running, timeNs)) {
      // The scan, or a record that came first, knows it already.
      running.parentPid = parentPid;
      return;
    }
    const image = new TrackedImage({
      pid,
      parentPid,
      startNs: timeNs,
      processStartNs: timeNs,
      processName: name,
      executablePath: parent?.executablePath ?? "",
      isKernelThread: parent?.isKernelThread ?? false,
      mappings: parent?.mappings.fork() ?? new MappingSet(),
      isComplete: parent?.isComplete ?? false,
    });
    this.#add(image, tid, name);
  }

  #applyExit({ pid, tid, timeNs }: ExitRecord): void {
    const image = this.#history.running(pid);
    if (image === undefined) return;
    const wasKnown = image.endThread(tid, timeNs);
    // The first thread may end before the others, and then the process goes on.
    if (image.liveThreads === 0 && (wasKnown || tid === pid)) this.#history.end(image, timeNs);
  }

  /** A process that runs and that no record told of: some were lost, or it was evicted. */
  #addOrphan(pid: number, timeNs: bigint): TrackedImage {
    const image = unknownImage(pid, timeNs, "");
    this.#add(image, pid, "");
    return image;
  }

  #add(image: TrackedImage, tid: number, name: string): void {
    image.nameThread(tid, name);
    image.lastUsed = this.#drains;
    this.#history.add(image);
  }

  /** Completes, or makes, the image of a process that runs, once, as long as reads are left. */
  #readFromProc(pid: number, timeNs: bigint): TrackedImage | undefined {
    const running = this.#history.running(pid);
    if (running?.isComplete || pid <= 0) return undefined;
    if (this.#procReadsLeft <= 0 || this.#unreadable.has(pid)) return undefined;
    this.#procReadsLeft--;
    this.#procReads++;
    const snapshot = this.#sources.readProcess(pid);
    // A younger process than the sample has the pid now.
    if (snapshot === undefined || snapshot.startNs > timeNs) {
      this.#unreadable.add(pid);
      return undefined;
    }
    const image = new TrackedImage({
      ...snapshot,
      process: running?.process,
      processStartNs: snapshot.startNs,
      processName: snapshot.name,
      mappings: new MappingSet(),
      isComplete: true,
    });
    if (!image.mappings.replaceBy(snapshot.mappings)) this.#refusedMappings++;
    for (const tid of snapshot.threads) image.nameThread(tid, tid === pid ? snapshot.name : "");
    if (running !== undefined) this.#history.replace(running, image);
    else this.#history.add(image);
    return image;
  }
}
