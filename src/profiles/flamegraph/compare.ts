import { CollectorError } from "../../support/errors.ts";
import type { FlameProfile, FlameSampleType, SampleColumns } from "./columns.ts";

/**
 * How the two sides of a difference are made comparable: by share of their totals, by rate (value
 * in a second of one instance), or not at all.
 */
export type DifferenceScale = "share" | "rate" | "absolute";

/**
 * What values before are multiplied by to be compared with those after. 1 where the profiles do
 * not say what is needed, as how long they were taken.
 *
 * @param totals  of both sides, of what is shown
 */
export function scaleOfBefore(
  scale: DifferenceScale,
  { exposure, exposureBefore }: Pick<FlameProfile, "exposure" | "exposureBefore">,
  totals: { readonly after: number; readonly before: number },
): number {
  switch (scale) {
    case "absolute":
      return 1;
    case "rate":
      return ratio(exposure.nanos, exposureBefore?.nanos ?? 0);
    case "share":
      return ratio(totals.after, totals.before);
  }
}

/** Whether both sides say how long they were taken: without that a rate is what is absolute. */
export function isRateKnown({
  exposure,
  exposureBefore,
}: Pick<FlameProfile, "exposure" | "exposureBefore">): boolean {
  return exposure.nanos > 0 && (exposureBefore?.nanos ?? 0) > 0;
}

function ratio(after: number, before: number): number {
  return after > 0 && before > 0 ? after / before : 1;
}

/**
 * Two profiles as one, whose types hold the samples of both. A function of the profile before is
 * the same as one after when it has the same name and its file the same base name: two builds
 * lie in different folders.
 *
 * @throws CONFIG_INVALID  the profiles have no sample type in common
 */
export function comparedProfiles(before: FlameProfile, after: FlameProfile): FlameProfile {
  const types = commonTypes(before, after);
  const names = mergedTexts(after.names, before.names);
  const files = mergedTexts(after.files, before.files);
  const sides = [new Side(after, names, files), new Side(before, names, files)] as const;
  sides[1].takeFilesOf(sides[0]);
  const order = sortedFrames(sides);
  const stacks = joinedStacks(sides, order.places);
  const labels = joinedLabels(after, before);
  const sideOf = (samples: SampleColumns, side: 0 | 1): SampleColumns => ({
    stack: samples.stack.map((stack) => stacks.places[side]?.[stack] as number),
    labelSet: side === 0 ? samples.labelSet : samples.labelSet.map((set) => set + labels.firstSet),
    value: samples.value,
  });
  return {
    title: before.title === after.title ? after.title : `${before.title} → ${after.title}`,
    exposure: after.exposure,
    exposureBefore: before.exposure,
    names,
    files,
    frames: order.frames,
    stacks: stacks.table,
    labels: labels.labels,
    labelSets: labels.labelSets,
    types: types.map(([type, old]) => ({
      name: type.name,
      unit: type.unit,
      samples: sideOf(type.samples, 0),
      before: sideOf(old.samples, 1),
    })),
  };
}

function commonTypes(before: FlameProfile, after: FlameProfile) {
  const types = after.types.flatMap((type): [FlameSampleType, FlameSampleType][] => {
    const old = before.types.find(({ name, unit }) => name === type.name && unit === type.unit);
    return old === undefined ? [] : [[type, old]];
  });
  if (types.length > 0) return types;
  const listOf = (profile: FlameProfile): string =>
    profile.types.map(({ name, unit }) => `${name}/${unit}`).join(", ");
  throw new CollectorError(
    "CONFIG_INVALID",
    `the profiles have no sample type in common: ${listOf(before)} before, ${listOf(after)} after`,
  );
}

/** Both sorted lists as one sorted list, each text once. */
function mergedTexts(a: readonly string[], b: readonly string[]): string[] {
  const merged: string[] = [];
  let atA = 0;
  let atB = 0;
  while (atA < a.length || atB < b.length) {
    const textA = a[atA];
    const textB = b[atB];
    const takesA = textB === undefined || (textA !== undefined && textA <= textB);
    merged.push((takesA ? textA : textB) as string);
    if (textA !== undefined && takesA) atA++;
    if (textB !== undefined && (!takesA || textA === textB)) atB++;
  }
  return merged;
}

/** One profile with its frames in the names and files of both. */
class Side {
  readonly profile: FlameProfile;
  readonly name: Uint32Array;
  readonly file: Uint32Array;
  readonly #files: readonly string[];

  constructor(profile: FlameProfile, names: readonly string[], files: readonly string[]) {
    const { frames } = profile;
    const nameAt = placesIn(profile.names, names);
    const fileAt = placesIn(profile.files, files);
    this.profile = profile;
    this.#files = files;
    this.name = frames.name.map((name) => nameAt[name] as number);
    this.file = frames.file.map((file) => fileAt[file] as number);
  }

  /** Moves functions to the file in which the other side has them, if its base name is equal. */
  takeFilesOf(other: Side): void {
    const bases = this.#files.map((file) => file.slice(file.lastIndexOf("/") + 1));
    const keyOf = (side: Side, frame: number): string =>
      `${side.name[frame]} ${bases[side.file[frame] as number]}`;
    const fileOf = new Map<string, number>();
    const known = new Set<string>();
    for (let frame = 0; frame < other.name.length; frame++) {
      known.add(`${other.name[frame]} ${other.file[frame]}`);
      fileOf.set(keyOf(other, frame), other.file[frame] as number);
    }
    for (let frame = 0; frame < this.name.length; frame++) {
      if (known.has(`${this.name[frame]} ${this.file[frame]}`)) continue;
      this.file[frame] = fileOf.get(keyOf(this, frame)) ?? (this.file[frame] as number);
    }
  }
}

/** Where each text of a sorted list stands in another that holds them all. */
function placesIn(texts: readonly string[], all: readonly string[]): Uint32Array {
  let place = 0;
  return Uint32Array.from(texts, (text) => {
    while (all[place] !== text) place++;
    return place;
  });
}

/** The frames of both sides, sorted, and the place of each side's. */
function sortedFrames(sides: readonly [Side, Side]): {
  frames: FlameProfile["frames"];
  places: readonly [Uint32Array, Uint32Array];
} {
  const firstBefore = sides[0].name.length;
  const count = firstBefore + sides[1].name.length;
  const column = (of: (side: Side) => ArrayLike<number>): Uint32Array => {
    const joined = new Uint32Array(count);
    joined.set(of(sides[0]));
    joined.set(of(sides[1]), firstBefore);
    return joined;
  };
  const name = column((side) => side.name);
  const file = column((side) => side.file);
  const line = column((side) => side.profile.frames.line);
  const kind = column((side) => side.profile.frames.kind);
  const order = new Uint32Array(count).map((_, at) => at);
  order.sort(
    (a, b) =>
      (name[a] as number) - (name[b] as number) ||
      (file[a] as number) - (file[b] as number) ||
      a - b,
  );
  const places = new Uint32Array(count);
  for (let at = 0; at < count; at++) places[order[at] as number] = at;
  const pick = (from: Uint32Array): Uint32Array => order.map((at) => from[at] as number);
  return {
    frames: {
      name: pick(name),
      file: pick(file),
      line: pick(line),
      kind: Uint8Array.from(pick(kind)),
    },
    places: [places.slice(0, firstBefore), places.slice(firstBefore)],
  };
}

/** Both tries below one root; equal stacks of the two sides stay two rows. */
function joinedStacks(
  sides: readonly [Side, Side],
  frameAt: readonly [Uint32Array, Uint32Array],
): { table: FlameProfile["stacks"]; places: readonly [Uint32Array, Uint32Array] } {
  const counts = sides.map(({ profile }) => profile.stacks.parent.length);
  const total = (counts[0] ?? 0) + (counts[1] ?? 0) - 1;
  const parent = new Uint32Array(total);
  const frame = new Uint32Array(total);
  let end = 1;
  const place = (side: 0 | 1): Uint32Array => {
    const { stacks } = sides[side].profile;
    const places = new Uint32Array(stacks.parent.length);
    for (let at = 1; at < places.length; at++) {
      places[at] = end;
      parent[end] = places[stacks.parent[at] as number] as number;
      frame[end++] = frameAt[side][stacks.frame[at] as number] as number;
    }
    return places;
  };
  const places = [place(0), place(1)] as const;
  return { table: { parent, frame }, places };
}

function joinedLabels(after: FlameProfile, before: FlameProfile) {
  const textCount = after.labels.texts.length;
  const labelCount = after.labels.key.length;
  const itemCount = after.labelSets.items.length;
  const joined = (a: Uint32Array, b: Uint32Array, shift: number): Uint32Array => {
    const all = new Uint32Array(a.length + b.length);
    all.set(a);
    all.set(
      b.map((index) => index + shift),
      a.length,
    );
    return all;
  };
  return {
    firstSet: after.labelSets.ends.length,
    labels: {
      texts: [...after.labels.texts, ...before.labels.texts],
      key: joined(after.labels.key, before.labels.key, textCount),
      value: joined(after.labels.value, before.labels.value, textCount),
    },
    labelSets: {
      ends: joined(after.labelSets.ends, before.labelSets.ends, itemCount),
      items: joined(after.labelSets.items, before.labelSets.items, labelCount),
    },
  };
}
