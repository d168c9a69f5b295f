import { FRAME_KINDS } from "../../src/profiles/flamegraph/columns.ts";

/** The kind of a frame as a reader sees it, "" when it is not known. */
export function kindName(kind: number): string {
  const name = FRAME_KINDS[kind] ?? "";
  return name === "jit" ? "JIT" : name;
}
