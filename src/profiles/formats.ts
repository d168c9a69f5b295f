import { CollectorError } from "../support/errors.ts";
import type { ProfileLimits } from "../support/limits.ts";
import { decodeFolded } from "./folded/decode.ts";
import { encodeFolded } from "./folded/encode.ts";
import { decodeOtlp } from "./otlp/decode.ts";
import { encodeOtlp } from "./otlp/encode.ts";
import { decodeOtlpJson } from "./otlp/json-decode.ts";
import { encodeOtlpJson } from "./otlp/json-encode.ts";
import { decodePerfScript } from "./perf_script/decode.ts";
import { decodePprof } from "./pprof/decode.ts";
import { encodePprof } from "./pprof/encode.ts";
import type { ProfileBatch } from "./profile.ts";
import * as sniff from "./sniff.ts";
import { decodeSpeedscope } from "./speedscope/decode.ts";
import { encodeSpeedscope } from "./speedscope/encode.ts";

/** A file format of profiles. */
export interface ProfileFormat {
  /** What a user calls it, as in `--to folded`. */
  readonly name: string;
  /** Ends of file names, with the dot; the first is the one to propose. */
  readonly extensions: readonly string[];
  /** Whether a person may read it on a terminal. */
  readonly isText: boolean;
  /** @throws INPUT_MALFORMED or LIMIT_EXCEEDED and nothing else */
  readonly decode: (bytes: Uint8Array, limits: ProfileLimits) => ProfileBatch;
  /** Undefined for a format that is only read. */
  readonly encode: ((batch: ProfileBatch) => Uint8Array) | undefined;
  /** Whether a file's beginning, or its fields, are this format's. Never throws. */
  readonly sniff: (bytes: Uint8Array) => boolean;
}

/** A format that can also be written. */
export interface EncodableFormat extends ProfileFormat {
  readonly encode: (batch: ProfileBatch) => Uint8Array;
}

/** Whether a format can be written: perf script cannot. */
export function isEncodable(format: ProfileFormat): format is EncodableFormat {
  return format.encode !== undefined;
}

/** Every format, those that are surest to be recognised first. */
export const profileFormats: readonly ProfileFormat[] = [
  {
    name: "pprof",
    extensions: [".pb.gz", ".pprof"],
    isText: false,
    decode: decodePprof,
    encode: (batch) => encodePprof(batch),
    sniff: sniff.isPprof,
  },
  {
    name: "otlp",
    extensions: [".otlp.pb"],
    isText: false,
    decode: decodeOtlp,
    encode: encodeOtlp,
    sniff: sniff.isOtlp,
  },
  {
    name: "speedscope",
    extensions: [".speedscope.json"],
    isText: true,
    decode: decodeSpeedscope,
    encode: encodeSpeedscope,
    sniff: sniff.isSpeedscope,
  },
  {
    name: "otlp-json",
    extensions: [".otlp.json"],
    isText: true,
    decode: decodeOtlpJson,
    encode: encodeOtlpJson,
    sniff: sniff.isOtlpJson,
  },
  {
    name: "perf-script",
    extensions: [".perf", ".perf.txt"],
    isText: true,
    decode: decodePerfScript,
    encode: undefined,
    sniff: sniff.isPerfScript,
  },
  {
    name: "folded",
    extensions: [".folded", ".collapsed"],
    isText: true,
    decode: decodeFolded,
    encode: (batch) => encodeFolded(batch),
    sniff: sniff.isFolded,
  },
];

/** The format that a file's name ends as, whatever its case; undefined when none does. */
export function formatOfPath(path: string): ProfileFormat | undefined {
  const name = path.toLowerCase();
  return profileFormats.find(({ extensions }) => extensions.some((end) => name.endsWith(end)));
}

/** The format that the bytes are in, as far as a look tells; undefined when they are in none. */
export function formatOfContent(bytes: Uint8Array): ProfileFormat | undefined {
  return profileFormats.find((format) => format.sniff(bytes));
}

/** @throws CONFIG_INVALID  there is no such format; names all there are */
export function formatNamed(name: string): ProfileFormat {
  const format = profileFormats.find((known) => known.name === name);
  if (format) return format;
  const names = profileFormats.map((known) => known.name).join(", ");
  throw new CollectorError("CONFIG_INVALID", `there is no format "${name}": use ${names}`);
}

/** @throws CONFIG_INVALID  there is no such format, or it is only read */
export function encoderOf(name: string): (batch: ProfileBatch) => Uint8Array {
  const { encode } = formatNamed(name);
  if (encode !== undefined) return encode;
  throw new CollectorError("CONFIG_INVALID", `the format "${name}" is only read, never written`);
}

/** The error for a file whose name tells no format to write: names those that would. */
export function unknownExtension(path: string): CollectorError {
  const known = profileFormats
    .filter(({ encode }) => encode !== undefined)
    .flatMap(({ extensions }) => extensions);
  const nearest = nearestExtension(path, known);
  const hint = nearest === undefined ? "" : `, perhaps ${nearest}`;
  return new CollectorError(
    "CONFIG_INVALID",
    `the name ${JSON.stringify(path)} tells no format: end it in ${known.join(", ")}${hint}`,
  );
}

/** The extension that a file's name nearly has: it ends in the same word, as `.json`. */
export function nearestExtension(path: string, known: readonly string[]): string | undefined {
  const file = path.slice(path.lastIndexOf("/") + 1).toLowerCase();
  const words = file.split(".").slice(1);
  const closeness = (extension: string): number => {
    const parts = extension.split(".").slice(1);
    return parts.filter((part) => words.some((word) => isNear(part, word))).length;
  };
  const best = known.toSorted((a, b) => closeness(b) - closeness(a))[0];
  return best !== undefined && closeness(best) > 0 ? best : undefined;
}

/** Equal, or begun alike for most of the shorter one. */
function isNear(word: string, typed: string): boolean {
  if (word === typed) return true;
  if (typed.length < 3) return false;
  let common = 0;
  while (common < typed.length && word[common] === typed[common]) common++;
  return common >= Math.max(3, word.length - 3);
}
