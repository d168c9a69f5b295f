import { dirname, resolve } from "node:path";
import { crc32 } from "node:zlib";
import { messageOf } from "../../support/errors.ts";
import type { MissingKind } from "../executable-file.ts";
import type { FoundDebugFile, LookedAt, MissingDebugFile, WantedDebugFile } from "./debug-file.ts";
import { readElfBuildId } from "./elf-identity.ts";
import { NOT_THERE, OpenedFile, openRegularFile } from "./opened-file.ts";

/** A path that may be the wanted file's, in the root that it belongs to. */
export interface Candidate {
  readonly path: string;
  readonly root?: string | undefined;
}

/** What a file must be to be taken. Without any of it, an ELF file is enough. */
export interface Proof {
  /** Lower-case hex; "" when none is known. */
  readonly buildId: string;
  /** CRC-32 of the whole file, for one that cannot show the build id. */
  readonly crc?: number | undefined;
  /** The file that has the link: a link to itself leads nowhere. */
  readonly notInode?: string | undefined;
}

/**
 * Files are read as a whole for their CRC, by 1 GB/s, and only without a build id: then they are
 * of an old or a small tool chain.
 */
export const CRC_FILE_BYTES_MAX: number = 1024 ** 3;
/** A CRC of so much takes less than a millisecond. */
const CRC_PIECE_BYTES = 1024 * 1024;
/** Each is one look at the disk; more than a few folders in two roots is no lookup. */
const CANDIDATES_MAX = 64;

/** The first candidate that is what is wanted. Never rejects. */
export async function firstFitting(
  source: string,
  candidates: readonly Candidate[],
  proof: Proof,
): Promise<FoundDebugFile | MissingDebugFile> {
  const lookedAt: LookedAt[] = [];
  let kind: MissingKind = "no_file";
  for (const { path, root } of distinct(candidates).slice(0, CANDIDATES_MAX)) {
    const file = await openRegularFile(path, root);
    const refusal: Refusal | undefined = "why" in file ? file : await refusalOf(file, proof);
    if (file instanceof OpenedFile && refusal === undefined) return foundFile(source, file);
    if (file instanceof OpenedFile) file[Symbol.dispose]();
    if (refusal?.isOtherBuild) kind = "other_build";
    lookedAt.push({ place: placeOf(path, root), why: refusal?.why ?? NOT_THERE });
  }
  return missingFile(lookedAt, { kind });
}

export interface Refusal {
  readonly why: string;
  readonly isOtherBuild?: boolean;
}

/** Why a file is not the one that is wanted; undefined when it is. Never rejects. */
export async function refusalOf(file: OpenedFile, proof: Proof): Promise<Refusal | undefined> {
  if (file.inode === proof.notInode) return { why: "the file itself" };
  const elf = await readElfBuildId(file);
  if ("why" in elf) return elf;
  if (proof.buildId !== "" && elf.buildId !== "") {
    if (elf.buildId === proof.buildId) return undefined;
    return { why: `has the build id ${elf.buildId}`, isOtherBuild: true };
  }
  if (proof.crc !== undefined) return await crcRefusal(file, proof.crc);
  return proof.buildId === "" ? undefined : { why: "has no build id", isOtherBuild: true };
}

async function crcRefusal(file: OpenedFile, wanted: number): Promise<Refusal | undefined> {
  if (file.size > CRC_FILE_BYTES_MAX) {
    return { why: `too large for a CRC (${file.size} > ${CRC_FILE_BYTES_MAX} bytes)` };
  }
  try {
    const crc = await crcOf(file);
    if (crc === wanted >>> 0) return undefined;
    return { why: `has the CRC ${hex(crc)}, not ${hex(wanted >>> 0)}`, isOtherBuild: true };
  } catch (error) {
    return { why: `cannot be read (${messageOf(error)})` };
  }
}

async function crcOf(file: OpenedFile): Promise<number> {
  let crc = 0;
  for (let offset = 0; offset < file.size; offset += CRC_PIECE_BYTES) {
    const bytes = await file.read(offset, Math.min(CRC_PIECE_BYTES, file.size - offset));
    crc = crc32(bytes, crc);
  }
  return crc;
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, "0");
}

function distinct(candidates: readonly Candidate[]): Candidate[] {
  return [...new Map(candidates.map((each) => [placeOf(each.path, each.root), each])).values()];
}

/** How a path is called in messages. */
export function placeOf(path: string, root: string | undefined): string {
  return root === undefined ? path : `${root}${path.startsWith("/") ? "" : "/"}${path}`;
}

/** Hands an open file on to whoever asked. */
export function foundFile(source: string, file: OpenedFile): FoundDebugFile {
  return {
    fd: file.fd,
    path: file.path,
    root: file.root,
    size: file.size,
    identity: file.identity,
    source,
    [Symbol.dispose]: () => file[Symbol.dispose](),
  };
}

/** The longest reasons are for a person who asks about one file. */
const MESSAGE_PLACES_MAX = 12;

/** An answer without a file. */
export function missingFile(
  lookedAt: readonly LookedAt[],
  { kind = "no_file", isPassing = false }: { kind?: MissingKind; isPassing?: boolean } = {},
): MissingDebugFile {
  const shown = lookedAt.slice(0, MESSAGE_PLACES_MAX).map(({ place, why }) => `${place} (${why})`);
  const more = lookedAt.length - shown.length;
  const missing = [...shown, ...(more > 0 ? [`${more} more places`] : [])].join(", ");
  return { missing, kind, lookedAt, isPassing };
}

/** Where the file that has the links is. */
export interface LinkOrigin {
  /** As it was called, and where that leads. */
  readonly folders: readonly string[];
  readonly paths: readonly string[];
  readonly root: string | undefined;
  readonly inode: string | undefined;
}

/** Undefined when it is on no disk of this host. */
export async function linkOrigin({ path, root }: WantedDebugFile): Promise<LinkOrigin | undefined> {
  if (path === undefined || path === "") return undefined;
  const given = root === undefined ? resolve(path) : resolve("/", path);
  const file = await openRegularFile(given, root);
  const isOpen = file instanceof OpenedFile;
  if (isOpen) file[Symbol.dispose]();
  const paths = [...new Set(isOpen ? [given, file.path] : [given])];
  const folders = [...new Set(paths.map((each) => dirname(each)))];
  return { paths, folders, root, inode: isOpen ? file.inode : undefined };
}
