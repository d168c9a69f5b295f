import type { FlameProfile } from "../../src/profiles/flamegraph/columns.ts";
import type { ProfileInfo, TreeRequest } from "./protocol.ts";

/** Values of one label that are offered as a choice; others are reached by a link. */
const VALUES_MAX = 1000;

/** Shown for a sample that does not have the label of the first level. */
const WITHOUT = "(none)";

/** All labels of the profile with their values, sorted. */
export function labelChoices({ labels }: FlameProfile): ProfileInfo["labels"] {
  const { texts } = labels;
  const values = new Map<string, Set<string>>();
  for (const [label, keyAt] of labels.key.entries()) {
    const key = texts[keyAt] ?? "";
    const known = values.get(key) ?? new Set();
    if (known.size < VALUES_MAX) known.add(texts[labels.value[label] ?? 0] ?? "");
    values.set(key, known);
  }
  return [...values]
    .map(([key, all]) => ({ key, values: [...all].sort() }))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** Which label sets a request keeps, and what their first level is called. */
export function labelRules(
  profile: FlameProfile,
  { label, root }: TreeRequest,
): {
  keeps: (labelSet: number) => boolean;
  rootOf: ((labelSet: number) => string) | undefined;
} {
  const sets = labelSetTexts(profile);
  const byKey = Map.groupBy(label, (text) => text.split("=", 1)[0] ?? "");
  // Several values of one label are alternatives; different labels must all hold.
  const isKept = sets.map((set) =>
    [...byKey.values()].every((choices) => choices.some((text) => set.has(text))),
  );
  const prefix = `${root}=`;
  const names = sets.map((set) => {
    const found = [...set].find((text) => text.startsWith(prefix));
    return `${root}: ${found?.slice(prefix.length) ?? WITHOUT}`;
  });
  return {
    keeps: (labelSet) => isKept[labelSet] ?? label.length === 0,
    rootOf: root === "" ? undefined : (labelSet) => names[labelSet] ?? `${root}: ${WITHOUT}`,
  };
}

/** The labels of each set, as key=value. */
function labelSetTexts({ labels, labelSets }: FlameProfile): Set<string>[] {
  const textOf = (label: number): string =>
    `${labels.texts[labels.key[label] ?? 0]}=${labels.texts[labels.value[label] ?? 0]}`;
  let start = 0;
  return Array.from(labelSets.ends, (end) => {
    const items = labelSets.items.subarray(start, end);
    start = end;
    return new Set(Array.from(items, textOf));
  });
}
