import { Document, Scalar, visit } from "yaml";
import { readPlainScalar } from "./scalar.ts";

export type PrintFormat = "yaml" | "json";

/**
 * The text of plain data, ending with a line end. The caller has put `[REDACTED]` in the place
 * of secrets. As YAML it is the same value again, here and in the Collector, where `$` is not
 * doubled; JSON has null for numbers that are not finite.
 */
export function printConfig(value: unknown, format: PrintFormat): string {
  if (format === "json") return `${JSON.stringify(value, null, 2)}\n`;
  const document = new Document(value, { aliasDuplicateObjects: false });
  visit(document, { Scalar: quoteWhereNeeded });
  return document.toString({ lineWidth: 0 });
}

/** What YAML's older readers and ours take for a merge of maps. */
const MERGE_KEY = "<<";

/** Text that a reader would take for something else, unlike the library's schema, gets quotes. */
function quoteWhereNeeded(_key: unknown, node: Scalar): void {
  const { value } = node;
  if (typeof value !== "string") return;
  const isMistaken = value === MERGE_KEY || typeof readPlainScalar(value) !== "string";
  if (isMistaken) node.type = Scalar.QUOTE_DOUBLE;
}
