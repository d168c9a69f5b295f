import { basename } from "node:path";
import { STANDARD_STREAM } from "../support/output.ts";
import { requireFlameFormat, SVG_WIDTH, writeFlameGraph } from "./flame-output.ts";
import { readProfile } from "./profile-file.ts";

/** The flags of `flamegraph` as commander hands them over. */
export interface FlamegraphFlags {
  readonly output: string;
  readonly format?: string;
  readonly from?: string;
  readonly title?: string;
  readonly type?: string;
  readonly width?: number;
  readonly invert?: boolean;
}

/** Reads a profile and writes it as a page of its own or as a picture. Returns the exit code. */
export async function runFlamegraph(input: string, flags: FlamegraphFlags): Promise<number> {
  // The output's format first: a typing error there should not cost the reading of a large file.
  const format = requireFlameFormat(flags.output, flags.format);
  const batch = await readProfile(input, flags.from);
  await writeFlameGraph(batch, {
    path: flags.output,
    format,
    title: flags.title ?? titleOf(input),
    type: flags.type,
    width: flags.width ?? SVG_WIDTH,
    invert: flags.invert ?? false,
  });
  return 0;
}

/** The name under which a profile is shown when it is given no other. */
export function titleOf(path: string): string {
  return path === STANDARD_STREAM ? "Flame graph" : basename(path);
}
