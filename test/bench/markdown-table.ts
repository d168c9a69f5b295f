/** Prints a table as docs/benchmarks.md has it. */
export function printTable(
  title: string,
  head: readonly string[],
  rows: readonly string[][],
): void {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |\n`;
  const rule = `|${"---|".repeat(head.length)}\n`;
  const names = line(head).replace(/^\| {2}\|/, "| |");
  process.stdout.write(`${title}\n\n${names}${rule}${rows.map(line).join("")}\n`);
}

/** The middle of an odd number of values. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
