import { type FlameGraphColumns, KIND_KERNEL } from "../../src/profiles/flamegraph/columns.ts";
import type { ShownStack } from "./shown-stacks.ts";

/** What a frame without a name is called in a line that has to have one. */
const NAMELESS = "[unknown]";

/** Writes `root;…;leaf value`, a stack a line. */
export function foldedOf(columns: FlameGraphColumns, stacks: Iterable<ShownStack>): Uint8Array {
  const parts: Uint8Array[] = [];
  const encoder = new TextEncoder();
  for (const { nodes, value } of stacks) {
    const line = nodes.map((node) => frameText(columns, node)).join(";");
    parts.push(encoder.encode(`${line} ${value}\n`));
  }
  return joinedBytes(parts);
}

/** Semicolons part frames, so a name has none; kernel frames end as flame graph tools mark them. */
function frameText({ names, name, kind }: FlameGraphColumns, node: number): string {
  const text = (names[name[node] ?? 0] || NAMELESS).replaceAll(/[;\p{Cc}]/gu, ":");
  return kind[node] === KIND_KERNEL && !text.endsWith("_[k]") ? `${text}_[k]` : text;
}

/** The parts one after the other. */
export function joinedBytes(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
