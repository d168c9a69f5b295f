import type { DifferenceScale } from "../profiles/flamegraph/compare.ts";
import { CollectorError } from "../support/errors.ts";
import { STANDARD_STREAM } from "../support/output.ts";
import { requireFlameFormat, SVG_WIDTH, writeDifference } from "./flame-output.ts";
import { type FlamegraphFlags, titleOf } from "./flamegraph.ts";
import { readProfile } from "./profile-file.ts";

/** The flags of `diff` as commander hands them over. */
export interface DiffFlags extends FlamegraphFlags {
  readonly scale?: DifferenceScale;
}

/** Reads two profiles and writes what changed from one to the other. Returns the exit code. */
export async function runDiff(
  beforePath: string,
  afterPath: string,
  flags: DiffFlags,
): Promise<number> {
  const format = requireFlameFormat(flags.output, flags.format);
  if (beforePath === STANDARD_STREAM && afterPath === STANDARD_STREAM) {
    throw new CollectorError("CONFIG_INVALID", "only one of both can come from standard input");
  }
  const before = { batch: await readProfile(beforePath, flags.from), name: titleOf(beforePath) };
  const after = { batch: await readProfile(afterPath, flags.from), name: titleOf(afterPath) };
  await writeDifference(before, after, {
    path: flags.output,
    format,
    title: flags.title ?? `${before.name} → ${after.name}`,
    type: flags.type,
    width: flags.width ?? SVG_WIDTH,
    invert: flags.invert ?? false,
    ...(flags.scale && { scale: flags.scale }),
  });
  return 0;
}
