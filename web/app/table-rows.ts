import type { TopTable } from "../worker/top-table.ts";

/** Columns of the table. In a difference, "change" is of the total. */
export type TableColumn = "name" | "self" | "total" | "before" | "change";

/** How the table is sorted: the column, and whether the smallest comes first. */
export interface Sorting {
  readonly column: TableColumn;
  readonly isAscending: boolean;
}

const columns: readonly string[] = ["name", "self", "total", "before", "change"];

/** Reads "self" and "-self"; names ascend and numbers descend unless there is a "-". */
export function sortingOf(text: string, isDifference: boolean): Sorting {
  const isTurned = text.startsWith("-");
  const name = isTurned ? text.slice(1) : text;
  const usual = isDifference ? "change" : "self";
  const column = (columns.includes(name) ? name : usual) as TableColumn;
  return { column, isAscending: (column === "name") !== isTurned };
}

/** The text of a sorting after a click on a column's head. */
export function turned(sorting: Sorting, column: TableColumn): string {
  if (sorting.column !== column) return column;
  return (column === "name") === sorting.isAscending ? `-${column}` : column;
}

/**
 * Places in the table, sorted, of the functions that the search found (all without a search).
 * @param scale  what values before are multiplied by to be compared with those after
 */
export function sortedRows(
  table: TopTable,
  names: readonly string[],
  sorting: Sorting,
  options: { found: Uint8Array | undefined; scale: number },
): number[] {
  const { found, scale } = options;
  const rows: number[] = [];
  for (let row = 0; row < table.name.length; row++) {
    if (found === undefined || found[table.name[row] ?? 0] === 1) rows.push(row);
  }
  const nameAt = (row: number): string => names[table.name[row] ?? 0] ?? "";
  const direction = sorting.isAscending ? 1 : -1;
  if (sorting.column === "name") {
    return rows.sort((a, b) => direction * compare(nameAt(a), nameAt(b)));
  }
  const value = columnValue(table, sorting.column, scale);
  // By size of the change, whichever way it goes: both ends of the list matter.
  return rows.sort((a, b) => direction * (value(a) - value(b)) || compare(nameAt(a), nameAt(b)));
}

function columnValue(table: TopTable, column: TableColumn, scale: number): (row: number) => number {
  switch (column) {
    case "self":
      return (row) => table.self[row] ?? 0;
    case "before":
      return (row) => table.before?.total[row] ?? 0;
    case "change":
      return (row) => Math.abs(changeAt(table, row, scale));
    default:
      return (row) => table.total[row] ?? 0;
  }
}

/** What the function's total grew by, after the values before were scaled. */
export function changeAt(table: TopTable, row: number, scale: number): number {
  return (table.total[row] ?? 0) - (table.before?.total[row] ?? 0) * scale;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
