import { LineCounter, parseDocument } from "yaml";
import { configInvalid } from "./faults.ts";
import { CONFIG_BYTES_MAX } from "./limits.ts";
import type { ConfigNode } from "./node.ts";
import { Positions, type TextSource } from "./positions.ts";
import { firstFault } from "./yaml-faults.ts";
import { nodeOfDocument } from "./yaml-nodes.ts";

export type YamlResult = { readonly node: ConfigNode } | { readonly fault: Error };

/**
 * Reads one YAML document. A fault of syntax is returned, since the text of a variable may be no
 * YAML and still be right; a limit, a repeated key or a forbidden key is thrown as CONFIG_INVALID.
 */
export function readYaml(text: string, source: TextSource): YamlResult {
  requireSize(text, source);
  const lines = new LineCounter();
  const document = parseDocument(text, {
    // Scalars stay text here: scalar.ts reads them as otelcol does.
    schema: "failsafe",
    resolveKnownTags: false,
    // Checked while the nodes are made: the library's check is quadratic.
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: "error",
    lineCounter: lines,
  });
  const position = new Positions(source, text, lines);
  if (document.errors.length > 0) {
    const { offset, words } = firstFault(document.errors);
    return { fault: configInvalid(position.exact(offset), words + referenceHint(text, offset)) };
  }
  return { node: nodeOfDocument(document, position) };
}

/** `[${env:A}]` looks right and is no YAML, since a map opens behind the `$`. */
function referenceHint(text: string, offset: number): string {
  const lineStart = text.lastIndexOf("\n", offset - 1) + 1;
  const isInFlow = /[[{,][^"']*\$\{/.test(text.slice(lineStart, offset + 1));
  return isInFlow ? `; inside [ ] and { } a reference must be in quotes: "\${…}"` : "";
}

function requireSize(text: string, { label, askedFrom }: TextSource): void {
  if (text.length <= CONFIG_BYTES_MAX) return;
  const where = askedFrom === undefined ? label : `${askedFrom}: ${label}`;
  throw configInvalid(where, `${text.length} characters; at most ${CONFIG_BYTES_MAX}`);
}
