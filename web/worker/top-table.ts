import type { FlameGraphColumns } from "../../src/profiles/flamegraph/columns.ts";

/** The functions of a tree, one row each, in columns. */
export interface TopTable {
  /** Index of the name in the tree's names. */
  readonly name: Uint32Array;
  readonly self: Float64Array;
  /** Value of the samples with the function in their stack; each sample counts once. */
  readonly total: Float64Array;
  /** The same of the profile before, in a difference. */
  readonly before?: { readonly self: Float64Array; readonly total: Float64Array };
}

/** Sums up a tree by function. A function below itself adds nothing to its total. */
export function topTableOf(columns: FlameGraphColumns): TopTable {
  const names = columns.names.length;
  const isOutermost = outermost(columns);
  const after = sums(columns, columns, isOutermost);
  const before = columns.before && sums(columns, columns.before, isOutermost);
  const used = new Uint8Array(names);
  for (let node = 1; node < columns.name.length; node++) used[columns.name[node] ?? 0] = 1;
  const name = Uint32Array.from(used.keys().filter((index) => used[index] === 1));
  const pick = (from: Float64Array): Float64Array => Float64Array.from(name, (at) => from[at] ?? 0);
  const table = { name, self: pick(after.self), total: pick(after.total) };
  if (before === undefined) return table;
  return { ...table, before: { self: pick(before.self), total: pick(before.total) } };
}

function sums(
  { name, names }: FlameGraphColumns,
  values: { readonly self: Float64Array; readonly total: Float64Array },
  isOutermost: Uint8Array,
): { self: Float64Array; total: Float64Array } {
  const self = new Float64Array(names.length);
  const total = new Float64Array(names.length);
  for (let node = 1; node < name.length; node++) {
    const at = name[node] ?? 0;
    self[at] = (self[at] ?? 0) + (values.self[node] ?? 0);
    if (isOutermost[node] === 1) total[at] = (total[at] ?? 0) + (values.total[node] ?? 0);
  }
  return { self, total };
}

/** 1 for each node that has no caller of its own name: one walk down and up the tree. */
function outermost({ name, names, firstChild, childCount, parent }: FlameGraphColumns): Uint8Array {
  const isOutermost = new Uint8Array(name.length);
  const open = new Uint32Array(names.length);
  const next = new Uint32Array(name.length);
  let node = 0;
  while (node >= 0) {
    const step = next[node] ?? 0;
    const at = name[node] ?? 0;
    if (step === 0) {
      isOutermost[node] = open[at] === 0 ? 1 : 0;
      open[at] = (open[at] ?? 0) + 1;
    }
    if (step < (childCount[node] ?? 0)) {
      next[node] = step + 1;
      node = (firstChild[node] ?? 0) + step;
      continue;
    }
    open[at] = (open[at] ?? 0) - 1;
    node = node === 0 ? -1 : (parent[node] ?? 0);
  }
  return isOutermost;
}
