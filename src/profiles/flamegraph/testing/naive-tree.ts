import type { FlameGraphColumns, FlameProfile, SampleColumns } from "../columns.ts";
import type { TreeShape } from "../tree.ts";

/** A node of the plain tree that the columns are compared with. */
export interface NaiveNode {
  readonly name: string;
  readonly file: string;
  self: number;
  selfBefore: number;
  readonly children: Map<string, NaiveNode>;
}

interface NaiveFrame {
  readonly name: string;
  readonly file: string;
}

/** The tree of a profile as nested objects, made stack by stack with no cleverness at all. */
export function naiveTree(profile: FlameProfile, shape: TreeShape): NaiveNode {
  const root = newNode(shape.sandwich?.name ?? "root", "");
  const type = profile.types[shape.type ?? 0];
  for (const side of ["samples", "before"] as const) {
    const samples = type?.[side];
    if (samples !== undefined) addSamples(root, samples, profile, shape, side);
  }
  return root;
}

function addSamples(
  root: NaiveNode,
  samples: SampleColumns,
  profile: FlameProfile,
  shape: TreeShape,
  side: "samples" | "before",
): void {
  for (const [at, value] of samples.value.entries()) {
    const set = samples.labelSet[at] as number;
    if (value === 0 || shape.keeps?.(set) === false) continue;
    const path = shownPath(framesOf(profile, samples.stack[at] as number), shape);
    if (path === undefined) continue;
    let node = root;
    const first = shape.rootOf === undefined ? [] : [{ name: shape.rootOf(set), file: "" }];
    for (const { name, file } of [...first, ...path]) {
      node = node.children.getOrInsertComputed(`${name}\0${file}`, () => newNode(name, file));
    }
    if (side === "samples") node.self += value;
    else node.selfBefore += value;
  }
}

/** What is shown of a stack, from the first level on; undefined when it is not shown. */
function shownPath(stack: readonly NaiveFrame[], shape: TreeShape): NaiveFrame[] | undefined {
  if (shape.focus && !stack.some(({ name }) => shape.focus?.(name))) return undefined;
  if (shape.remove && stack.some(({ name }) => shape.remove?.(name))) return undefined;
  let path = stack.filter(({ name }) => shape.hide?.(name) !== true);
  if (shape.collapse) path = collapsed(path);
  const { sandwich } = shape;
  if (sandwich === undefined) return shape.invert ? path.toReversed() : path;
  const pivot = path.findIndex(({ name }) => name === sandwich.name);
  if (pivot < 0) return undefined;
  return sandwich.part === "callees" ? path.slice(pivot + 1) : path.slice(0, pivot).reverse();
}

function collapsed(path: readonly NaiveFrame[]): NaiveFrame[] {
  const kept: NaiveFrame[] = [];
  for (const frame of path) {
    const first = kept.findIndex(({ name, file }) => name === frame.name && file === frame.file);
    if (first >= 0) kept.length = first + 1;
    else kept.push(frame);
  }
  return kept;
}

function framesOf({ stacks, frames, names, files }: FlameProfile, stack: number): NaiveFrame[] {
  const path: NaiveFrame[] = [];
  for (let at = stack; at !== 0; at = stacks.parent[at] as number) {
    const frame = stacks.frame[at] as number;
    const name = names[frames.name[frame] as number] as string;
    path.push({ name, file: files[frames.file[frame] as number] as string });
  }
  return path.reverse();
}

function newNode(name: string, file: string): NaiveNode {
  return { name, file, self: 0, selfBefore: 0, children: new Map() };
}

/** A tree as lines of indented text, with own values and totals, children sorted. */
export function naiveText(node: NaiveNode, depth = 0): string[] {
  const children = [...node.children.values()].sort(
    (a, b) => compare(a.name, b.name) || compare(a.file, b.file),
  );
  const [total, before] = naiveTotals(node);
  const values = `${node.self}/${total} ${node.selfBefore}/${before}`;
  return [
    `${" ".repeat(depth)}${node.name} (${node.file}) ${values}`,
    ...children.flatMap((child) => naiveText(child, depth + 1)),
  ];
}

function naiveTotals(node: NaiveNode): [number, number] {
  let [total, before] = [node.self, node.selfBefore];
  for (const child of node.children.values()) {
    const [childTotal, childBefore] = naiveTotals(child);
    total += childTotal;
    before += childBefore;
  }
  return [total, before];
}

/** Columns in the same text, read by firstChild and childCount. */
export function columnsText(columns: FlameGraphColumns, node = 0, depth = 0): string[] {
  const at = (column: ArrayLike<number> | undefined): number => column?.[node] ?? 0;
  const { before } = columns;
  const after = `${at(columns.self)}/${at(columns.total)}`;
  const values = `${after} ${at(before?.self)}/${at(before?.total)}`;
  const lines = [
    `${" ".repeat(depth)}${columns.names[at(columns.name)]} ` +
      `(${columns.files[at(columns.file)]}) ${values}`,
  ];
  for (let child = 0; child < at(columns.childCount); child++) {
    lines.push(...columnsText(columns, at(columns.firstChild) + child, depth + 1));
  }
  return lines;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
