import { changeOf, presenceOf } from "./difference.ts";
import type { FlameTree } from "./flame-graph.ts";
import { kindName } from "./frame-kinds.ts";
import { changeText, exactText, pointsText, shareText, valueText } from "./value-text.ts";

/** A frame in words and numbers. */
export interface FrameDescription {
  readonly name: string;
  /** File and line, and what kind of code it is; "" when nothing is known. */
  readonly place: string;
  /** Sentences about its values. */
  readonly values: readonly string[];
}

/** Describes a frame; shares are of the whole, and of the zoomed frame where there is one. */
export function describeFrame(tree: FlameTree, node: number, zoomed: number): FrameDescription {
  const { columns } = tree;
  return {
    name: columns.names[columns.name[node] ?? 0] || "(no name)",
    place: placeOf(tree, node),
    values: columns.before === undefined ? valuesOf(tree, node, zoomed) : changesOf(tree, node),
  };
}

/** The description as one sentence, for a screen reader. */
export function sentenceOf({ name, place, values }: FrameDescription): string {
  return [name, place, ...values].filter((part) => part !== "").join(", ");
}

/** "src/a.ts:12" of a frame; "" when its file is not known. */
export function fileLineOf({ columns }: FlameTree, node: number): string {
  const file = columns.files[columns.file[node] ?? 0] ?? "";
  const line = columns.line[node] ?? 0;
  return file === "" || line === 0 ? file : `${file}:${line}`;
}

function placeOf(tree: FlameTree, node: number): string {
  const kind = kindName(tree.columns.kind[node] ?? 0);
  return [fileLineOf(tree, node), kind].filter((part) => part !== "").join(" · ");
}

function valuesOf(tree: FlameTree, node: number, zoomed: number): string[] {
  const { columns, unit } = tree;
  const total = columns.total[node] ?? 0;
  const self = columns.self[node] ?? 0;
  const whole = columns.total[0] ?? 0;
  const values = [
    `total ${withExact(total, unit)}, ${shareText(total, whole)}`,
    `self ${withExact(self, unit)}, ${shareText(self, whole)}`,
  ];
  const view = columns.total[zoomed] ?? 0;
  if (zoomed !== 0) values.push(`${shareText(total, view)} of the zoomed frame`);
  return values;
}

function changesOf(tree: FlameTree, node: number): string[] {
  const { columns, unit } = tree;
  const before = columns.before?.total[node] ?? 0;
  const after = columns.total[node] ?? 0;
  const wholeBefore = columns.before?.total[0] ?? 0;
  const wholeAfter = columns.total[0] ?? 0;
  const presence = presenceOf(columns, node);
  const points = pointsText(
    { part: before, whole: wholeBefore },
    { part: after, whole: wholeAfter },
  );
  const change = changeOf(columns, node, tree.beforeScale ?? 1);
  return [
    presence === "both" ? "" : presence,
    `before ${withExact(before, unit)}, ${shareText(before, wholeBefore)}`,
    `after ${withExact(after, unit)}, ${shareText(after, wholeAfter)}`,
    `change ${changeText(change, unit)}, ${points}`,
  ].filter((part) => part !== "");
}

/** "1.25 s (1,250,000,000 nanoseconds)": short, and exact to the unit. */
function withExact(value: number, unit: string): string {
  const short = valueText(value, unit);
  const exact = unit === "" ? exactText(value) : `${exactText(value)} ${unit}`;
  return short === exact || unit === "count" || unit === "" ? short : `${short} (${exact})`;
}
