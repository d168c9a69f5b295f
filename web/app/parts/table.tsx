import { useComputed, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { FlameTree } from "../../flamegraph/flame-graph.ts";
import { changeText, pointsText, shareText, valueText } from "../../flamegraph/value-text.ts";
import type { TopTable } from "../../worker/top-table.ts";
import { type PageModel, selectedTree } from "../model.ts";
import {
  changeAt,
  type Sorting,
  sortedRows,
  sortingOf,
  type TableColumn,
  turned,
} from "../table-rows.ts";

/** Rows shown at first, and added by each press of the button below. */
const ROWS_STEP = 100;

/** The functions, sorted; a row highlights its function in the graph. */
export function Table({ page }: { page: PageModel }): JSX.Element | null {
  const shown = useSignal(ROWS_STEP);
  const rows = useComputed(() => rowsOf(page));
  const tree = selectedTree(page);
  const table = page.table.value;
  if (tree === undefined || table === undefined) return null;
  const sorting = sortingOf(page.state.value.sort, page.info.value?.isDifference === true);
  const heads: readonly (readonly [TableColumn, string])[] = page.info.value?.isDifference
    ? [
        ["name", "Function"],
        ["before", "Before"],
        ["total", "After"],
        ["change", "Change"],
      ]
    : [
        ["name", "Function"],
        ["self", "Self"],
        ["total", "Total"],
      ];
  return (
    <section class="table" aria-label="Functions">
      <table>
        <thead>
          <tr>
            {heads.map(([column, text]) => (
              <Head key={column} page={page} column={column} text={text} sorting={sorting} />
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.value.slice(0, shown.value).map((row) => (
            <Row key={row} page={page} tree={tree} table={table} row={row} />
          ))}
        </tbody>
      </table>
      {rows.value.length > shown.value && (
        <button
          type="button"
          onClick={() => {
            shown.value += ROWS_STEP;
          }}
        >
          Show more of {rows.value.length} functions
        </button>
      )}
    </section>
  );
}

function rowsOf(page: PageModel): number[] {
  const tree = selectedTree(page);
  const table = page.table.value;
  if (tree === undefined || table === undefined) return [];
  const found = page.found.value;
  return sortedRows(
    table,
    tree.columns.names,
    sortingOf(page.state.value.sort, page.info.value?.isDifference === true),
    {
      found: found !== undefined && "result" in found ? found.result.names : undefined,
      scale: tree.beforeScale ?? 1,
    },
  );
}

function Head(props: {
  page: PageModel;
  column: TableColumn;
  text: string;
  sorting: Sorting;
}): JSX.Element {
  const { page, column, text, sorting } = props;
  const isSorted = sorting.column === column;
  const order = sorting.isAscending ? "ascending" : "descending";
  return (
    <th scope="col" aria-sort={isSorted ? order : undefined}>
      <button type="button" onClick={() => void page.set({ sort: turned(sorting, column) })}>
        {text}
        <span aria-hidden="true">{isSorted ? (sorting.isAscending ? " ▲" : " ▼") : ""}</span>
      </button>
    </th>
  );
}

function Row(props: {
  page: PageModel;
  tree: FlameTree;
  table: TopTable;
  row: number;
}): JSX.Element {
  const { page, tree, table, row } = props;
  const name = tree.columns.names[table.name[row] ?? 0] ?? "";
  const isSelected = page.selectedName === name;
  return (
    <tr class={isSelected ? "selected" : undefined}>
      <th scope="row">
        <button
          type="button"
          title={name}
          aria-current={isSelected ? "true" : undefined}
          onClick={(event) => void page.set({ q: `^${RegExp.escape(name)}$` }, event.timeStamp)}
        >
          {name || "(no name)"}
        </button>
      </th>
      {table.before === undefined ? (
        <Values table={table} row={row} tree={tree} />
      ) : (
        <Changes page={page} table={table} row={row} tree={tree} />
      )}
    </tr>
  );
}

interface RowProps {
  readonly table: TopTable;
  readonly row: number;
  readonly tree: FlameTree;
}

function Values({ table, row, tree }: RowProps): JSX.Element {
  const whole = tree.whole ?? tree.columns.total[0] ?? 0;
  const cell = (value: number): JSX.Element => (
    <td>
      {valueText(value, tree.unit)} <small>{shareText(value, whole)}</small>
    </td>
  );
  return (
    <>
      {cell(table.self[row] ?? 0)}
      {cell(table.total[row] ?? 0)}
    </>
  );
}

function Changes({ page, table, row, tree }: RowProps & { page: PageModel }): JSX.Element {
  const before = table.before?.total[row] ?? 0;
  const after = table.total[row] ?? 0;
  const { columns, unit } = tree;
  const change =
    page.state.value.diff === "share"
      ? pointsText(
          { part: before, whole: columns.before?.total[0] ?? 0 },
          { part: after, whole: columns.total[0] ?? 0 },
        )
      : changeText(changeAt(table, row, tree.beforeScale ?? 1), unit);
  const state = before === 0 ? " new" : after === 0 ? " vanished" : "";
  return (
    <>
      <td>{valueText(before, tree.unit)}</td>
      <td>{valueText(after, tree.unit)}</td>
      <td>
        {change}
        <small>{state}</small>
      </td>
    </>
  );
}
