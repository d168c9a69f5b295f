import type { FlameProfile } from "../../../src/profiles/flamegraph/columns.ts";

/** Samples of a stack with labels: a value for each sample type. */
export interface SampleLine {
  /** Root first; a frame is its name, or `name|file|line|kind`. */
  readonly stack: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly values: readonly number[];
}

export interface SampleProfile {
  readonly title?: string;
  /** Name and unit of each sample type. */
  readonly types?: readonly (readonly [name: string, unit: string])[];
  readonly seconds?: number;
  readonly lines: readonly SampleLine[];
}

interface Frame {
  readonly text: string;
  readonly name: string;
  readonly file: string;
  readonly line: number;
  readonly kind: number;
}

/** A profile as the page is given it, made of lines that a person can read. */
export function sampleProfile({ title, types, seconds, lines }: SampleProfile): FlameProfile {
  const kinds = types ?? [["cpu", "nanoseconds"]];
  const frames = sortedFrames(lines.flatMap(({ stack }) => stack));
  const names = sortedTexts(frames.map(({ name }) => name));
  const files = sortedTexts(["", ...frames.map(({ file }) => file)]);
  const stacks = stackTrie(lines, frames);
  const labels = labelTables(lines);
  const labelSet = Uint32Array.from(lines.keys());
  return {
    title: title ?? "sample",
    exposure: { nanos: (seconds ?? 10) * 1e9, instances: 1 },
    names,
    files,
    frames: {
      name: Uint32Array.from(frames, ({ name }) => names.indexOf(name)),
      file: Uint32Array.from(frames, ({ file }) => files.indexOf(file)),
      line: Uint32Array.from(frames, ({ line }) => line),
      kind: Uint8Array.from(frames, ({ kind }) => kind),
    },
    stacks: { parent: stacks.parent, frame: stacks.frame },
    ...labels,
    types: kinds.map(([name, unit], type) => ({
      name,
      unit,
      samples: {
        stack: stacks.ofLine,
        labelSet,
        value: Float64Array.from(lines, ({ values }) => values[type] ?? 0),
      },
    })),
  };
}

/** The first line's stack alone, as deep as wanted: `f0;f1;…`. */
export function deepProfile(depth: number): FlameProfile {
  const stack = Array.from({ length: depth }, (_, at) => `f${at}`);
  return sampleProfile({ lines: [{ stack, values: [1000] }] });
}

function sortedFrames(texts: readonly string[]): Frame[] {
  const frames = [...new Set(texts)].map((text) => {
    const [name = "", file = "", line = "0", kind = "0"] = text.split("|");
    return { text, name, file, line: Number(line), kind: Number(kind) };
  });
  return frames.sort((a, b) => order(a.name, b.name) || order(a.file, b.file) || a.line - b.line);
}

function sortedTexts(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort();
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function stackTrie(
  lines: readonly SampleLine[],
  frames: readonly Frame[],
): { parent: Uint32Array; frame: Uint32Array; ofLine: Uint32Array } {
  const frameOf = new Map(frames.map(({ text }, at) => [text, at]));
  const parent = [0];
  const frame = [0];
  const known = new Map<string, number>();
  const ofLine = lines.map(({ stack }) => {
    let at = 0;
    for (const text of stack) {
      const key = `${at} ${text}`;
      const next = known.get(key) ?? parent.push(at) - 1;
      if (!known.has(key)) frame.push(frameOf.get(text) ?? 0);
      known.set(key, next);
      at = next;
    }
    return at;
  });
  return {
    parent: Uint32Array.from(parent),
    frame: Uint32Array.from(frame),
    ofLine: Uint32Array.from(ofLine),
  };
}

/** A label set for each line, and every label of it in a row of its own. */
function labelTables(lines: readonly SampleLine[]): Pick<FlameProfile, "labels" | "labelSets"> {
  const texts: string[] = [];
  const key: number[] = [];
  const value: number[] = [];
  const items: number[] = [];
  const ends: number[] = [];
  for (const { labels = {} } of lines) {
    for (const [name, text] of Object.entries(labels)) {
      key.push(texts.push(name) - 1);
      items.push(value.push(texts.push(text) - 1) - 1);
    }
    ends.push(items.length);
  }
  return {
    labels: { texts, key: Uint32Array.from(key), value: Uint32Array.from(value) },
    labelSets: { ends: Uint32Array.from(ends), items: Uint32Array.from(items) },
  };
}

/** A service: what most tests look at. */
export const service: SampleProfile = {
  title: "checkout",
  types: [
    ["cpu", "nanoseconds"],
    ["samples", "count"],
  ],
  lines: [
    {
      stack: ["main|src/main.go|10|1", "handle|src/http.go|20|1", "parse|src/json.go|30|1"],
      labels: { thread: "worker-1", container: "web" },
      values: [200e6, 3],
    },
    {
      stack: [
        "main|src/main.go|10|1",
        "handle|src/http.go|20|1",
        "query|src/db.go|5|1",
        "sys_read|kernel|1|2",
      ],
      labels: { thread: "worker-2", container: "web" },
      values: [400e6, 5],
    },
    {
      stack: ["main|src/main.go|10|1", "handle|src/http.go|20|1", "query|src/db.go|5|1"],
      labels: { thread: "worker-2", container: "web" },
      values: [100e6, 2],
    },
    {
      stack: [
        "main|src/main.go|10|1",
        "walk|src/tree.go|7|1",
        "walk|src/tree.go|7|1",
        "walk|src/tree.go|7|1",
        "visit|src/tree.go|40|4",
      ],
      labels: { thread: "worker-1", container: "batch" },
      values: [250e6, 7],
    },
    {
      stack: ["main|src/main.go|10|1", "gc|runtime/mgc.go|1|3"],
      labels: { thread: "gc", container: "batch" },
      values: [50e6, 1],
    },
  ],
};

/** The service an hour later: `cache` is new, `gc` has vanished, `parse` has doubled. */
export const serviceAfter: SampleProfile = {
  ...service,
  title: "checkout after",
  lines: [
    ...service.lines
      .slice(0, 4)
      .map((line, at) => (at === 0 ? { ...line, values: [400e6, 6] } : line)),
    {
      stack: ["main|src/main.go|10|1", "handle|src/http.go|20|1", "cache|src/cache.go|3|1"],
      labels: { thread: "worker-1", container: "web" },
      values: [150e6, 2],
    },
  ],
};
