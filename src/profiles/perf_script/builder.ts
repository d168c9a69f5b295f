import { limitExceeded } from "../../support/errors.ts";
import { type ProfileLimits, VALUE_MAX } from "../../support/limits.ts";
import { intValue, type KeyValue, stringValue } from "../attribute-value.ts";
import { emptyProfile, type Profile, ProfileBatch } from "../profile.ts";
import type { SourcedFrame } from "./decode.ts";
import type { Header } from "./lines.ts";

/** Kernel addresses begin here on x86-64 and arm64. */
const KERNEL_START = 0xffff_0000_0000_0000n;
/** Events whose samples say where a CPU spends its time. */
const CPU_EVENTS: ReadonlySet<string> = new Set([
  "cpu-clock",
  "task-clock",
  "cycles",
  "cpu-cycles",
]);
/** Events whose period is nanoseconds of CPU time. */
const CPU_TIME_EVENTS: ReadonlySet<string> = new Set(["cpu-clock", "task-clock"]);

interface ProcessProfiles {
  readonly pid: number;
  /** The main thread's name when it was seen, else the first thread's. */
  name: string;
  readonly events: Map<string, EventProfile>;
}

interface EventProfile {
  readonly profile: Profile;
  /** Samples by stack and attributes. */
  readonly rows: Map<number, Map<number, number>>;
  periodSum: number;
  periodCount: number;
}

/** Puts the samples of `perf script` together to a batch. */
export class BatchBuilder {
  readonly #batch = new ProfileBatch();
  readonly #limits: ProfileLimits;
  readonly #processes = new Map<string, ProcessProfiles>();
  readonly #locations = new Map<string, number>();
  readonly #attributeSets = new Map<string, number>();
  #firstNanos = Number.POSITIVE_INFINITY;
  #lastNanos = 0;

  constructor(limits: ProfileLimits) {
    this.#limits = limits;
  }

  /** @param frames  leaf first */
  add(header: Header, frames: readonly SourcedFrame[]): void {
    const process = this.#process(header);
    const event = this.#event(process, header.event);
    const stack = this.#batch.dictionary.stacks.intern(this.#stack(frames));
    addOne(event, stack, this.#attributeSet(header));
    if (header.period > 0) {
      event.periodSum += header.period;
      event.periodCount++;
    }
    if (header.timeNanos >= 0) {
      this.#firstNanos = Math.min(this.#firstNanos, header.timeNanos);
      this.#lastNanos = Math.max(this.#lastNanos, header.timeNanos);
    }
  }

  build(): ProfileBatch {
    const durationNano =
      this.#lastNanos > this.#firstNanos ? BigInt(this.#lastNanos - this.#firstNanos) : 0n;
    for (const process of this.#processes.values()) {
      const profiles = [...process.events.values()].map(({ profile, periodSum, periodCount }) => {
        // Sampling by frequency lets the period vary; its mean keeps the sum.
        const period = periodCount > 0 ? Math.round(periodSum / periodCount) : 0;
        return { ...profile, durationNano, ...this.#period(profile, period) };
      });
      this.#batch.resourceProfiles.push({
        resource: { attributes: resourceAttributes(process), droppedAttributesCount: 0 },
        schemaUrl: "",
        scopeProfiles: [
          {
            scope: { name: "", version: "", attributes: [], droppedAttributesCount: 0 },
            schemaUrl: "",
            profiles,
          },
        ],
      });
    }
    return this.#batch;
  }

  #process(header: Header): ProcessProfiles {
    // Without a process id all that is known of a process is what its threads are called.
    const key = header.pid < 0 ? `comm ${header.comm}` : String(header.pid);
    const process = this.#processes.getOrInsertComputed(key, () => ({
      pid: header.pid,
      name: header.comm,
      events: new Map(),
    }));
    if (header.tid === header.pid) process.name = header.comm;
    return process;
  }

  #event(process: ProcessProfiles, event: string): EventProfile {
    return process.events.getOrInsertComputed(event, () => {
      const profile = emptyProfile();
      const name = withoutModifier(event);
      const { strings } = this.#batch.dictionary;
      const isCpu = name === "" || CPU_EVENTS.has(name);
      profile.sampleType = {
        type: strings.intern(isCpu ? "samples" : event),
        unit: strings.intern("count"),
      };
      profile.periodType = {
        type: strings.intern(CPU_TIME_EVENTS.has(name) ? "cpu" : name),
        unit: strings.intern(CPU_TIME_EVENTS.has(name) ? "nanoseconds" : "count"),
      };
      return { profile, rows: new Map(), periodSum: 0, periodCount: 0 };
    });
  }

  #period(profile: Profile, period: number): Pick<Profile, "period" | "periodType"> {
    if (period > VALUE_MAX) throw limitExceeded("perf script", "period", period, VALUE_MAX);
    return period > 0
      ? { period, periodType: profile.periodType }
      : { period: 0, periodType: { type: 0, unit: 0 } };
  }

  #attributeSet({ comm, tid, cpu }: Header): number {
    const { attributeSets, attributes, strings } = this.#batch.dictionary;
    return this.#attributeSets.getOrInsertComputed(`${comm}\0${tid}\0${cpu}`, () => {
      const int = (key: string, value: number): number[] =>
        value < 0 ? [] : [attributes.intern(strings.intern(key), intValue(value), 0)];
      return attributeSets.intern([
        attributes.intern(strings.intern("thread.name"), stringValue(comm), 0),
        ...int("thread.id", tid),
        ...int("cpu.logical_number", cpu),
      ]);
    });
  }

  /** Inlined frames become lines of the frame that contains them. */
  #stack(frames: readonly SourcedFrame[]): number[] {
    const stack: number[] = [];
    let inlined: SourcedFrame[] = [];
    for (const frame of frames) {
      if (inlined.length > 0 && inlined[0]?.address !== frame.address) {
        stack.push(this.#location(inlined));
        inlined = [];
      }
      inlined.push(frame);
      if (frame.isInlined) continue;
      stack.push(this.#location(inlined));
      inlined = [];
    }
    if (inlined.length > 0) stack.push(this.#location(inlined));
    return stack;
  }

  /** @param frames  of one address, innermost first; the last is the one in the file */
  #location(frames: readonly SourcedFrame[]): number {
    const key = frames.map(frameKey).join("\n");
    const known = this.#locations.get(key);
    if (known !== undefined) return known;
    const { locations, functions, strings, mappings } = this.#batch.dictionary;
    const { tableRowsMax } = this.#limits;
    if (locations.length >= tableRowsMax) {
      throw limitExceeded("perf script", "distinct frames", locations.length + 1, tableRowsMax);
    }
    const { address, file } = frames.at(-1) as SourcedFrame;
    const none = { memoryStart: 0n, memoryLimit: 0n, fileOffset: 0n, attributeSet: 0 };
    const mapping = file === "" ? 0 : mappings.intern({ ...none, filename: strings.intern(file) });
    const lines = frames.flatMap(({ symbol, sourceFile, sourceLine }) =>
      symbol === "" && sourceFile === ""
        ? []
        : [
            functions.intern(strings.intern(symbol), 0, strings.intern(sourceFile), 0),
            sourceLine,
            0,
          ],
    );
    const location = locations.intern(
      mapping,
      Number(address & 0xffffffffn),
      Number(address >> 32n),
      lines,
      this.#frameType(address, file),
    );
    this.#locations.set(key, location);
    return location;
  }

  #frameType(address: bigint, file: string): number {
    const type = frameType(address, file);
    if (type === "") return 0;
    const { dictionary } = this.#batch;
    return dictionary.attributeSets.intern([
      dictionary.internStringAttribute("profile.frame.type", type),
    ]);
  }
}

function addOne({ profile, rows }: EventProfile, stack: number, attributeSet: number): void {
  const { samples } = profile;
  const ofStack = rows.getOrInsertComputed(stack, () => new Map());
  const row = ofStack.get(attributeSet);
  if (row === undefined) {
    ofStack.set(attributeSet, samples.length);
    samples.push(stack, attributeSet, 0, 1);
  } else {
    samples.value.data[row] = samples.value.at(row) + 1;
  }
}

/** Of the code of a just-in-time compiler, in a perf map or no file, perf says no type. */
function frameType(address: bigint, file: string): string {
  if (address >= KERNEL_START || file.startsWith("[kernel") || file.startsWith("[guest.kernel")) {
    return "kernel";
  }
  return file === "" || /^\/tmp\/perf-\d+\.map$/.test(file) || file === "//anon" ? "" : "native";
}

function frameKey({ address, symbol, file, sourceFile, sourceLine }: SourcedFrame): string {
  return `${address} ${symbol}\0${file}\0${sourceFile}:${sourceLine}`;
}

/** The event without its modifiers, as cycles of cycles:ppp; a tracepoint keeps its group. */
function withoutModifier(event: string): string {
  return event.replace(/:[a-zA-Z]{0,8}$/, (modifier) =>
    /^:[ukhGHpPSDIWeb]*$/.test(modifier) ? "" : modifier,
  );
}

function resourceAttributes({ pid, name }: ProcessProfiles): KeyValue[] {
  const attributes: KeyValue[] = [];
  if (pid >= 0) attributes.push({ key: "process.pid", value: intValue(pid) });
  if (name !== "") attributes.push({ key: "process.executable.name", value: stringValue(name) });
  return attributes;
}
