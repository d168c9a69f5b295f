import type { FlameProfile } from "../profiles/flamegraph/columns.ts";
import {
  comparedProfiles,
  type DifferenceScale,
  isRateKnown,
  scaleOfBefore,
} from "../profiles/flamegraph/compare.ts";
import { flameProfileOf } from "../profiles/flamegraph/from-batch.ts";
import { flameSvg } from "../profiles/flamegraph/svg.ts";
import { buildTree } from "../profiles/flamegraph/tree.ts";
import type { ProfileBatch } from "../profiles/profile.ts";
import { CollectorError } from "../support/errors.ts";
import { STANDARD_STREAM, writeOutput } from "../support/output.ts";
import { flameHtml } from "./flame-page.ts";

/** What a flame graph is written as. */
export type FlameFormat = "html" | "svg";

/** The width of a picture that is given no other, in CSS pixels. */
export const SVG_WIDTH = 1200;

/** How a flame graph is written. */
export interface FlameOutput {
  readonly path: string;
  readonly format: FlameFormat;
  readonly title: string;
  /** Name of the sample type to show first; the profile's own choice when it is not given. */
  readonly type?: string | undefined;
  /** Of the picture; HTML fills the window. */
  readonly width: number;
  readonly invert: boolean;
  readonly scale?: DifferenceScale;
}

/** The format that a name of a file or of a format tells; undefined when it is another's. */
export function flameFormatOf(path: string, name: string | undefined): FlameFormat | undefined {
  if (name !== undefined) return name === "html" || name === "svg" ? name : undefined;
  const lower = path.toLowerCase();
  if (lower.endsWith(".html") || lower.endsWith(".htm")) return "html";
  return lower.endsWith(".svg") ? "svg" : undefined;
}

/**
 * The same for a command that writes nothing else.
 *
 * @throws CollectorError CONFIG_INVALID  it is neither
 */
export function requireFlameFormat(path: string, name: string | undefined): FlameFormat {
  const format = flameFormatOf(path, name);
  if (format !== undefined) return format;
  if (name !== undefined) {
    throw new CollectorError("CONFIG_INVALID", `there is no format "${name}": use html or svg`);
  }
  if (path === STANDARD_STREAM) {
    throw new CollectorError(
      "CONFIG_INVALID",
      "standard output has no name that tells the format: add --format html or --format svg",
    );
  }
  throw new CollectorError(
    "CONFIG_INVALID",
    `the name ${JSON.stringify(path)} tells no format: end it in .html or .svg`,
  );
}

/** Writes the flame graph of a batch. */
export async function writeFlameGraph(batch: ProfileBatch, output: FlameOutput): Promise<void> {
  await writeFlames([{ batch, name: output.title }], output);
}

/** A batch and the name of the file it came from. */
export interface NamedBatch {
  readonly batch: ProfileBatch;
  readonly name: string;
}

/** Writes the difference of two batches. */
export async function writeDifference(
  before: NamedBatch,
  after: NamedBatch,
  output: FlameOutput,
): Promise<void> {
  await writeFlames([before, after], output);
}

async function writeFlames(batches: readonly NamedBatch[], output: FlameOutput): Promise<void> {
  const profiles = batches.map(({ batch, name }) => ({
    name,
    profile: withTypeFirst(flameProfileOf(batch, output.title), name, output.type),
  }));
  const [first, second] = profiles.map(({ profile }) => profile) as [FlameProfile, FlameProfile?];
  // Also for HTML, so that profiles that cannot be compared are refused here and not in a page.
  const shown = second === undefined ? first : comparedProfiles(first, second);
  const text =
    output.format === "html" ? await flameHtml(output.title, profiles) : picture(shown, output);
  await writeOutput(output.path, new TextEncoder().encode(text));
}

function picture(profile: FlameProfile, output: FlameOutput): string {
  const [type = { name: "", unit: "" }] = profile.types;
  if (output.scale === "rate" && !isRateKnown(profile)) {
    throw new CollectorError(
      "CONFIG_INVALID",
      "the profiles do not both say how long they were taken: use --scale share or absolute",
    );
  }
  const { columns } = buildTree(profile, { invert: output.invert });
  const scaled = columns.before && {
    beforeScale: scaleOfBefore(output.scale ?? "share", profile, {
      after: columns.total[0] ?? 0,
      before: columns.before.total[0] ?? 0,
    }),
  };
  return flameSvg({ columns, title: output.title, type, width: output.width, ...scaled });
}

/** @throws CollectorError CONFIG_INVALID  there is no such sample type; names all there are */
function withTypeFirst(
  profile: FlameProfile,
  source: string,
  name: string | undefined,
): FlameProfile {
  if (name === undefined) return profile;
  const first = profile.types.find((type) => type.name === name);
  if (first === undefined) {
    const names = profile.types.map((type) => type.name).join(", ");
    throw new CollectorError(
      "CONFIG_INVALID",
      `${source} has no sample type "${name}", only ${names}`,
    );
  }
  return { ...profile, types: [first, ...profile.types.filter((type) => type !== first)] };
}
