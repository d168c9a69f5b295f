/**
 * The records of .eh_frame and .debug_frame.
 *
 *   length        u32; 0xffffffff: a u64 follows. 0 ends .eh_frame for the run time
 *   id            u32, or u64 in .debug_frame after a long length
 *                 .eh_frame:     CIE 0; FDE: distance back to its CIE from here
 *                 .debug_frame:  CIE all ones; FDE: offset of its CIE
 *   CIE           version u8 (1, 3, 4), augmentation string, [4: address and segment size u8],
 *                 code alignment ULEB128, data alignment SLEB128,
 *                 return register u8 (1) or ULEB128, ['z': length, data], instructions
 *   FDE           pc begin, pc range, ['z': length, data], instructions
 *
 * Augmentations: "z" data with a length; in it "R" encoding of the pointers of FDEs, "P"
 * personality, "L" encoding of the language's data; without data "S" signal frame, "B" signed
 * with key B, "G" tagged stack; "eh" alone: a word of GCC 2.
 *
 * Sources: LSB Core 5.0 section 10.6, DWARF 5 section 6.4.1. The bytes belong to the profiled
 * process. A broken record costs itself; lengths that lead out of the section end the walk.
 */
import { limitExceeded } from "../../support/errors.ts";
import { CfiCursor } from "./cfi-cursor.ts";
import {
  DW_EH_PE_absptr,
  DW_EH_PE_omit,
  type PointerBases,
  readEncodedPointer,
  readEncodedValue,
} from "./encoded-pointer.ts";
import type { InstructionFormat, RuleMachine } from "./rule-machine.ts";
import type { RuleState } from "./rule-state.ts";

/** FDEs of one file, both sections together; ClickHouse's 570 MB have 683,000. */
export const FDES_MAX = 2_000_000;
/** CIEs of one section. Linkers merge them to tens; without merging, one for each source file. */
export const CIES_MAX = 65_536;
/** Longest augmentation string known: "zPLRSBG". */
const AUGMENTATION_BYTES_MAX = 16;
const WORD_BYTES = 8;
const LONG_LENGTH = 0xffff_ffff;

export interface FrameSection {
  /** What messages call it. */
  readonly name: string;
  readonly kind: "eh_frame" | "debug_frame";
  readonly bytes: Uint8Array;
  readonly bases: PointerBases;
  /** The section's size is not known: a zero length is its end. */
  readonly endsAtZero: boolean;
}

/** One CIE with what its instructions made of no rules. */
export interface Cie extends InstructionFormat {
  readonly section: CfiCursor;
  readonly kind: FrameSection["kind"];
  readonly isSignalFrame: boolean;
  readonly hasAugmentationData: boolean;
  readonly segmentBytes: number;
  readonly initial: RuleState;
}

/** FDEs in columns, in the order of the section. */
export interface FdeColumns {
  count: number;
  /** Addresses. */
  readonly starts: Float64Array;
  readonly ends: Float64Array;
  /** Offsets in the section of the first instruction and behind the last. */
  readonly instructions: Uint32Array;
  readonly instructionsEnd: Uint32Array;
  /** By number in `cies`. */
  readonly cie: Uint32Array;
  readonly cies: Cie[];
  /** Records that are broken, and FDEs of broken CIEs. */
  broken: number;
}

/** An empty table that has room for `fdeCount` FDEs. */
export function fdeColumns(fdeCount: number): FdeColumns {
  return {
    count: 0,
    starts: new Float64Array(fdeCount),
    ends: new Float64Array(fdeCount),
    instructions: new Uint32Array(fdeCount),
    instructionsEnd: new Uint32Array(fdeCount),
    cie: new Uint32Array(fdeCount),
    cies: [],
    broken: 0,
  };
}

/**
 * Counts the FDEs of a section by its lengths alone.
 *
 * @throws LIMIT_EXCEEDED  more than FDES_MAX or CIES_MAX
 */
export function countFdes(section: FrameSection): number {
  let fdes = 0;
  let cies = 0;
  for (const record of records(section, new CfiCursor(section.bytes))) {
    if (record.isCie) cies++;
    else fdes++;
  }
  if (fdes > FDES_MAX) throw limitExceeded(section.name, "FDEs", fdes, FDES_MAX);
  if (cies > CIES_MAX) throw limitExceeded(section.name, "CIEs", cies, CIES_MAX);
  return fdes;
}

/** Adds the section's FDEs to the columns, whose room `countFdes` told. */
export function readFdes(section: FrameSection, machine: RuleMachine, into: FdeColumns): void {
  const cies = readCies(section, machine, into);
  const walk = new CfiCursor(section.bytes);
  const cursor = new CfiCursor(section.bytes);
  for (const record of records(section, walk, () => into.broken++)) {
    if (record.isCie) continue;
    const cie = cies.get(record.cieOffset);
    if (cie === undefined || !readFde(cursor, record, { cie, into })) into.broken++;
  }
}

/** CIEs by their offset; the number is the index in `into.cies`. */
function readCies(
  section: FrameSection,
  machine: RuleMachine,
  into: FdeColumns,
): ReadonlyMap<number, number> {
  const byOffset = new Map<number, number>();
  const cursor = new CfiCursor(section.bytes);
  for (const record of records(section, new CfiCursor(section.bytes))) {
    if (!record.isCie) continue;
    cursor.window(record.content, record.end);
    const cie = readCie(cursor, section, machine);
    if (cie === undefined) {
      into.broken++;
      continue;
    }
    byOffset.set(record.start, into.cies.length);
    into.cies.push(cie);
  }
  return byOffset;
}

interface FrameRecord {
  start: number;
  /** Behind the id. */
  content: number;
  end: number;
  isCie: boolean;
  /** Of an FDE; negative or no CIE's when it is broken. */
  cieOffset: number;
}

/** The same object each time, changed: there are millions. */
function* records(
  { bytes, kind, endsAtZero }: FrameSection,
  cursor: CfiCursor,
  onBroken?: () => void,
): Generator<FrameRecord> {
  const record: FrameRecord = { start: 0, content: 0, end: 0, isCie: false, cieOffset: 0 };
  while (cursor.position < bytes.length) {
    record.start = cursor.position;
    const shortLength = cursor.u32();
    const isLong = shortLength === LONG_LENGTH;
    const length = isLong ? cursor.i64() : shortLength;
    const idAt = cursor.position;
    if (length === 0 && !cursor.overrun) {
      if (endsAtZero) return;
      continue;
    }
    record.end = idAt + length;
    if (!(length > 0 && record.end <= bytes.length) || cursor.overrun) {
      onBroken?.();
      return;
    }
    readId(cursor, record, { idAt, isLong, kind });
    record.content = cursor.position;
    cursor.position = record.end;
    if (record.content <= record.end) yield record;
    else onBroken?.();
  }
}

function readId(
  cursor: CfiCursor,
  record: FrameRecord,
  place: { readonly idAt: number; readonly isLong: boolean; readonly kind: string },
): void {
  if (place.kind === "eh_frame") {
    const id = cursor.u32();
    record.isCie = id === 0;
    record.cieOffset = place.idAt - id;
  } else {
    const id = place.isLong ? cursor.i64() : cursor.u32();
    record.isCie = place.isLong ? id === -1 : id === LONG_LENGTH;
    record.cieOffset = id;
  }
}

function readCie(cursor: CfiCursor, section: FrameSection, machine: RuleMachine): Cie | undefined {
  const version = cursor.u8();
  if (version !== 1 && version !== 3 && version !== 4) return undefined;
  const augmentation = readAugmentation(cursor);
  if (augmentation === undefined) return undefined;
  if (augmentation === "eh") cursor.skip(WORD_BYTES);
  const addressBytes = version === 4 ? cursor.u8() : WORD_BYTES;
  const segmentBytes = version === 4 ? cursor.u8() : 0;
  if (addressBytes !== 8 && addressBytes !== 4) return undefined;
  const codeAlignment = cursor.uleb128();
  const dataAlignment = cursor.sleb128();
  const returnRegister = version === 1 ? cursor.u8() : cursor.uleb128();
  const pointerEncoding = readAugmentationData(cursor, augmentation, section.bases);
  if (pointerEncoding === undefined || cursor.overrun) return undefined;
  const cie = {
    section: cursor,
    kind: section.kind,
    codeAlignment,
    dataAlignment,
    returnRegister,
    pointerEncoding,
    addressBytes,
    segmentBytes,
    bases: section.bases,
    hasAugmentationData: augmentation.startsWith("z"),
    isSignalFrame: augmentation.includes("S"),
  };
  if (!machine.runInitial(cursor, cie)) return undefined;
  return { ...cie, initial: machine.state.slice() };
}

function readAugmentation(cursor: CfiCursor): string | undefined {
  let text = "";
  for (let count = 0; count <= AUGMENTATION_BYTES_MAX; count++) {
    const byte = cursor.u8();
    if (cursor.overrun) return undefined;
    if (byte === 0) return text;
    text += String.fromCharCode(byte);
  }
  return undefined;
}

/** The encoding of FDE pointers. Leaves the cursor at the first instruction. */
function readAugmentationData(
  cursor: CfiCursor,
  augmentation: string,
  bases: PointerBases,
): number | undefined {
  if (augmentation === "" || augmentation === "eh") return DW_EH_PE_absptr;
  if (!augmentation.startsWith("z")) return undefined;
  const length = cursor.uleb128();
  const end = cursor.position + length;
  if (end > cursor.end) return undefined;
  let pointerEncoding = DW_EH_PE_absptr;
  for (const letter of augmentation.slice(1)) {
    if (letter === "R") pointerEncoding = cursor.u8();
    else if (letter === "L") cursor.u8();
    else if (letter === "P") skipPointer(cursor, bases);
    // The length tells where the data of a letter that is not known ends.
    else if (letter !== "S" && letter !== "B" && letter !== "G") break;
  }
  if (cursor.position > end) return undefined;
  cursor.position = end;
  return pointerEncoding;
}

function skipPointer(cursor: CfiCursor, bases: PointerBases): void {
  const encoding = cursor.u8();
  // Where it leads does not matter, and the file is not read for it.
  if (encoding !== DW_EH_PE_omit) readEncodedPointer(cursor, encoding & 0x7f, bases);
}

function readFde(
  cursor: CfiCursor,
  record: FrameRecord,
  { cie: cieNumber, into }: { readonly cie: number; readonly into: FdeColumns },
): boolean {
  const cie = into.cies[cieNumber] as Cie;
  const { pointerEncoding, addressBytes } = cie;
  cursor.window(record.content, record.end);
  cursor.skip(cie.segmentBytes);
  const start = readEncodedPointer(cursor, pointerEncoding, cie.bases, addressBytes);
  const byteCount = readEncodedValue(cursor, pointerEncoding, addressBytes);
  if (cie.hasAugmentationData) cursor.skip(cursor.uleb128());
  if (cursor.overrun || !(byteCount >= 0)) return false;
  const row = into.count++;
  into.starts[row] = start;
  into.ends[row] = start + byteCount;
  into.instructions[row] = cursor.position;
  into.instructionsEnd[row] = record.end;
  into.cie[row] = cieNumber;
  return true;
}
