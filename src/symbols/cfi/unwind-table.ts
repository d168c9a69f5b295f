import { limitExceeded } from "../../support/errors.ts";
import type { ElfFile } from "../elf/elf-file.ts";
import {
  CALLING_CODE_BYTES_MAX,
  CALLING_RULES_MAX,
  type CalledFunction,
  frameRegister,
  rulesOfCalls,
} from "./callee-saves.ts";
import { CfiCursor } from "./cfi-cursor.ts";
import { CodeGaps } from "./code-gaps.ts";
import { type AddressRange, codeRanges } from "./code-ranges.ts";
import { FileSegments } from "./file-segments.ts";
import {
  type Cie,
  countFdes,
  FDES_MAX,
  type FdeColumns,
  type FrameSection,
  fdeColumns,
  readFdes,
} from "./frame-section.ts";
import { readFrameSections } from "./frame-sections.ts";
import { GoFunctions } from "./go-functions.ts";
import type { PlacedRule } from "./placed-rule.ts";
import {
  Arm64Compiler,
  type CannotReason,
  cannotReasons,
  type RuleCompiler,
  X86Compiler,
} from "./rule-compiler.ts";
import { RuleMachine } from "./rule-machine.ts";
import { ARM64, type CfiArchitecture, type RuleState, X86_64 } from "./rule-state.ts";
import {
  RowBuilder,
  type RowMark,
  SPAN_BYTES_MAX,
  SPECIAL_CANNOT,
  SPECIAL_END,
  SPECIAL_FRAME_POINTER,
  SPECIAL_GAP,
  specialRule,
  type UnwindRows,
} from "./unwind-rows.ts";

export type UnwindMachine = "x86_64" | "arm64";

/** Rows before equal ones are merged, and bytes of code that they cover. */
export interface RowsAndBytes {
  rows: number;
  bytes: number;
}

export interface UnwindStatistics {
  readonly fdes: number;
  /** FDEs that are broken or whose CIE is, and records that are neither. */
  readonly brokenFdes: number;
  /** FDEs of no code of this file, or of no bytes: what linkers leave of dropped functions. */
  readonly outsideFdes: number;
  /** FDEs that end behind the start of the next, where they are cut. */
  readonly overlappingFdes: number;
  readonly rows: number;
  /** Of rows and pages, as they are sent and kept. */
  readonly tableBytes: number;
  /** Code that FDEs cover. */
  readonly coveredBytes: number;
  /** Of those, where the row says less than the FDE, by reason. */
  readonly reduced: Readonly<Record<CannotReason, RowsAndBytes>>;
  /** Code outside of FDEs by its rule; padding is not counted. */
  readonly framePointerBytes: number;
  readonly followedBytes: number;
  readonly gapBytes: number;
}

/**
 * How to unwind every place of one file's code. Plain data; `rows.buffer` and `pageFirst.buffer`
 * may be transferred to another thread.
 */
export interface UnwindTable extends UnwindRows {
  readonly machine: UnwindMachine;
  readonly statistics: UnwindStatistics;
}

/** What is no longer than this between two functions only pads. */
const PADDING_BYTES_MAX = 15;
const { head: framePointerHead } = specialRule(SPECIAL_FRAME_POINTER);
const { head: gapHead } = specialRule(SPECIAL_GAP);
const { head: endHead } = specialRule(SPECIAL_END);
/** Of a function that switches to the stack of a coroutine; glibc's has 26 bytes. */
const STACK_SWITCH_BYTES_MAX = 64;
/** Small functions of one file that are looked at for it; glibc has 900. */
const STACK_SWITCHES_MAX = 4096;
const MOVE_BYTES = 3;
const EM_X86_64 = 62;
const EM_AARCH64 = 183;
/** A row needs some 8 bytes of call frame instructions and headers. */
const SECTION_BYTES_PER_ROW = 8;
/** Sorts addresses and row numbers as one double: distances below 2^32, numbers below 2^21. */
const ORDER_SCALE = 2 ** 21;

/**
 * Compiles a file's call frame information. Time and memory are linear in the sections' sizes.
 *
 * @throws INPUT_MALFORMED  sections that the file does not hold
 * @throws LIMIT_EXCEEDED   more FDEs, rows or bytes than the limits of the parts
 */
export function buildUnwindTable(elf: ElfFile): UnwindTable | { readonly missing: string } {
  const { is64, littleEndian, machine } = elf;
  const isKnown = is64 && littleEndian && (machine === EM_X86_64 || machine === EM_AARCH64);
  if (!isKnown) return { missing: "unwind tables are for 64-bit x86-64 and arm64 files" };
  const ranges = codeRanges(elf);
  if (ranges.length === 0) return { missing: "the file has no code" };
  const segments = new FileSegments(elf);
  const isGo = elf.goBuildId !== "";
  // What Go says in .debug_frame is in its own table, too.
  const sections = readFrameSections(elf, segments).filter(
    ({ kind }) => !isGo || kind !== "debug_frame",
  );
  const go = isGo ? GoFunctions.read(elf, segments) : undefined;
  return new TableBuild(elf, { ranges, segments, go, sections }).build();
}

interface FdePlace extends AddressRange {
  /** Where the code before it that has a rule ended. */
  readonly covered: number;
}

interface CurrentFde extends FdePlace {
  readonly cie: Cie;
  readonly reduced: { readonly reason: CannotReason; readonly bytes: number }[];
}

interface FileParts {
  readonly ranges: readonly AddressRange[];
  readonly segments: FileSegments;
  readonly go: GoFunctions | undefined;
  readonly sections: readonly FrameSection[];
}

class TableBuild {
  readonly #architecture: CfiArchitecture;
  readonly #elf: ElfFile;
  readonly #ranges: readonly AddressRange[];
  readonly #machine: RuleMachine;
  readonly #compiler: RuleCompiler;
  readonly #rows: RowBuilder;
  readonly #segments: FileSegments;
  readonly #isX86: boolean;
  readonly #gaps: CodeGaps;
  readonly #fdes: FdeColumns;
  /** Numbers of FDEs by address. */
  readonly #order: Float64Array;
  readonly #reduced: Record<CannotReason, RowsAndBytes>;
  #outside = 0;
  #overlapping = 0;
  #coveredBytes = 0;
  #framePointerBytes = 0;
  #followedBytes = 0;
  #gapBytes = 0;
  /** For instructions; expressions are read by the CIE's own. */
  readonly #cursors = new Map<CfiCursor, CfiCursor>();
  #current!: CurrentFde;
  #calling: PlacedRule | undefined;
  #callingRules = 0;
  #stackSwitches = 0;
  #rowStart = 0;
  #reason: CannotReason | undefined;

  constructor(elf: ElfFile, { ranges, segments, go, sections }: FileParts) {
    this.#architecture = elf.machine === EM_X86_64 ? X86_64 : ARM64;
    this.#isX86 = this.#architecture === X86_64;
    this.#elf = elf;
    this.#segments = segments;
    this.#ranges = ranges;
    this.#machine = new RuleMachine(this.#architecture);
    this.#compiler = this.#isX86 ? new X86Compiler() : new Arm64Compiler();
    this.#gaps = new CodeGaps(elf, this.#architecture, { segments, go });
    this.#fdes = this.#readFdes(sections);
    const start = ranges[0]?.start ?? 0;
    const end = ranges.at(-1)?.end ?? 0;
    this.#order = this.#ordered(start);
    const sectionBytes = sections.reduce((sum, { bytes }) => sum + bytes.length, 0);
    const rowsHint = Math.ceil(sectionBytes / SECTION_BYTES_PER_ROW);
    this.#rows = new RowBuilder(elf.access.name, { start, end }, rowsHint);
    this.#reduced = Object.fromEntries(
      cannotReasons.map((reason) => [reason, { rows: 0, bytes: 0 }]),
    ) as Record<CannotReason, RowsAndBytes>;
  }

  build(): UnwindTable {
    let next = 0;
    for (const range of this.#ranges) next = this.#addRange(range, next);
    this.#outside += this.#order.length - next;
    const rows = this.#rows.finish();
    return {
      machine: this.#isX86 ? "x86_64" : "arm64",
      ...rows,
      statistics: {
        fdes: this.#fdes.count,
        brokenFdes: this.#fdes.broken,
        outsideFdes: this.#outside,
        overlappingFdes: this.#overlapping,
        rows: this.#rows.count,
        tableBytes: rows.rows.byteLength + rows.pageFirst.byteLength,
        coveredBytes: this.#coveredBytes,
        reduced: this.#reduced,
        framePointerBytes: this.#framePointerBytes,
        followedBytes: this.#followedBytes,
        gapBytes: this.#gapBytes,
      },
    };
  }

  #readFdes(sections: readonly FrameSection[]): FdeColumns {
    const count = sections.reduce((sum, section) => sum + countFdes(section), 0);
    if (count > FDES_MAX) {
      throw limitExceeded(this.#elf.access.name, "FDEs", count, FDES_MAX);
    }
    const columns = fdeColumns(count);
    for (const section of sections) readFdes(section, this.#machine, columns);
    return columns;
  }

  /** By start; of equal starts the first in the file, .eh_frame before .debug_frame. */
  #ordered(base: number): Float64Array {
    const { starts, ends, count } = this.#fdes;
    const keys = new Float64Array(count);
    let kept = 0;
    for (let fde = 0; fde < count; fde++) {
      const distance = (starts[fde] as number) - base;
      const isInside = distance >= 0 && distance < SPAN_BYTES_MAX;
      if (isInside && (ends[fde] as number) > (starts[fde] as number)) {
        keys[kept++] = distance * ORDER_SCALE + fde;
      }
    }
    this.#outside = count - kept;
    return this.#withoutDuplicates(keys.subarray(0, kept).sort());
  }

  /** Keys become numbers of FDEs, in place. */
  #withoutDuplicates(keys: Float64Array): Float64Array {
    let kept = 0;
    let before = -1;
    for (const key of keys) {
      const fde = key % ORDER_SCALE;
      const start = this.#fdes.starts[fde] as number;
      if (start === before) continue;
      before = start;
      keys[kept++] = fde;
    }
    this.#outside += keys.length - kept;
    return keys.subarray(0, kept);
  }

  /** The FDEs that start in the range, and what is between them. The number of the next FDE. */
  #addRange(range: AddressRange, first: number): number {
    const { starts, ends } = this.#fdes;
    let covered = range.start;
    let next = first;
    for (; next < this.#order.length; next++) {
      const fde = this.#order[next] as number;
      const start = starts[fde] as number;
      if (start >= range.end) break;
      if (start < range.start) {
        this.#outside++;
        continue;
      }
      const follower = starts[this.#order[next + 1] ?? -1] ?? Number.POSITIVE_INFINITY;
      let end = Math.min(ends[fde] as number, range.end);
      if (follower < end) {
        this.#overlapping++;
        end = follower;
      }
      if (start - covered > PADDING_BYTES_MAX) this.#addGap(covered, start);
      this.#addFde(fde, { start, end, covered });
      covered = end;
    }
    if (range.end - covered > PADDING_BYTES_MAX) this.#addGap(covered, range.end);
    return next;
  }

  #addGap(start: number, end: number): void {
    const rules = this.#gaps.rulesOf(start, end);
    for (const [index, { address, head, offsets }] of rules.entries()) {
      this.#rows.add(address, head, offsets);
      const byteCount = (rules[index + 1]?.address ?? end) - address;
      if (head === framePointerHead) this.#framePointerBytes += byteCount;
      else if (head === gapHead) this.#gapBytes += byteCount;
      else this.#followedBytes += byteCount;
    }
  }

  /**
   * A function that begins with a stack of its own, as makecontext's does, is no call's target: its
   * address was planted on the new stack, and is looked up one byte before.
   */
  #endBeforeStackSwitch({ start, end }: FdePlace): void {
    const offset = this.#segments.offsetOf(start);
    const isSmall = end - start >= MOVE_BYTES && end - start <= STACK_SWITCH_BYTES_MAX;
    if (!isSmall || !this.#isX86 || !(offset + MOVE_BYTES <= this.#elf.access.size)) return;
    if (++this.#stackSwitches > STACK_SWITCHES_MAX) return;
    const [rex = 0, opcode, modrm = 0] = this.#elf.access.read(offset, MOVE_BYTES);
    const isMoveToRsp = (rex & 0xfb) === 0x48 && opcode === 0x89 && (modrm & 0xc7) === 0xc4;
    if (isMoveToRsp) this.#rows.add(start - 1, endHead, 0);
  }

  #addFde(fde: number, place: FdePlace): void {
    const { instructions, instructionsEnd, cies } = this.#fdes;
    const hasOwnRules = (instructionsEnd[fde] as number) - (instructions[fde] as number) >= 8;
    if (!hasOwnRules && place.covered < place.start) this.#endBeforeStackSwitch(place);
    const cie = cies[this.#fdes.cie[fde] as number] as Cie;
    const { section } = cie;
    const cursor = this.#cursors.getOrInsertComputed(section, () => new CfiCursor(section.bytes));
    cursor.window(instructions[fde] as number, instructionsEnd[fde] as number);
    const mark = this.#rows.mark();
    this.#current = { ...place, cie, reduced: [] };
    this.#rowStart = place.start;
    this.#reason = undefined;
    this.#calling = undefined;
    this.#coveredBytes += place.end - place.start;
    const from = { start: place.start, initial: cie.initial };
    if (this.#machine.run(cursor, cie, from, this.#onRow)) this.#finishFde(place);
    else this.#breakFde(mark, place);
  }

  readonly #onRow = (address: number, state: RuleState): void => {
    const { cie, start, end, covered } = this.#current;
    if (address >= end) return;
    const compiler = this.#compiler;
    this.#addCallRows(address);
    this.#noteReason(address);
    compiler.compile(state, cie);
    this.#reason = compiler.reason;
    // The return address of a signal frame is its first byte, and is looked up one byte before.
    const isPadded = cie.isSignalFrame && address === start && covered < start;
    this.#rows.add(isPadded ? address - 1 : address, compiler.head, compiler.offsets);
    if (this.#isX86 && frameRegister(compiler) !== undefined) {
      this.#calling = { address, head: compiler.head, offsets: compiler.offsets };
    }
  };

  /** Of a rule that holds to before `end` and whose register is known in the leaf only. */
  #addCallRows(end: number): void {
    const rule = this.#calling;
    this.#calling = undefined;
    if (rule === undefined || ++this.#callingRules > CALLING_RULES_MAX) return;
    const { address } = rule;
    const byteCount = Math.min(end - address, CALLING_CODE_BYTES_MAX);
    const offset = this.#segments.offsetOf(address);
    if (!(byteCount > 0 && offset + byteCount <= this.#elf.access.size)) return;
    const code = { bytes: this.#elf.access.read(offset, byteCount), address };
    for (const row of rulesOfCalls(code, rule, (called) => this.#functionAt(called))) {
      if (row.address < end) this.#rows.add(row.address, row.head, row.offsets);
    }
  }

  #functionAt(address: number): CalledFunction | undefined {
    const { starts, instructions, instructionsEnd, cie, cies } = this.#fdes;
    const fde = this.#order.find((one) => starts[one] === address);
    if (fde === undefined) return undefined;
    const itsCie = cies[cie[fde] as number] as Cie;
    const cursor = new CfiCursor(itsCie.section.bytes);
    cursor.window(instructions[fde] as number, instructionsEnd[fde] as number);
    return { start: address, cie: itsCie, cursor };
  }

  /** The row that ends at the address is done. */
  #noteReason(address: number): void {
    const reason = this.#reason;
    const bytes = address - this.#rowStart;
    if (reason !== undefined && bytes > 0) this.#current.reduced.push({ reason, bytes });
    this.#rowStart = address;
  }

  #finishFde({ end }: FdePlace): void {
    this.#addCallRows(end);
    this.#noteReason(end);
    for (const { reason, bytes } of this.#current.reduced) {
      this.#reduced[reason].rows++;
      this.#reduced[reason].bytes += bytes;
    }
  }

  #breakFde(mark: RowMark, { start, end }: FdePlace): void {
    this.#rows.rollBack(mark);
    const { head, offsets } = specialRule(SPECIAL_CANNOT);
    this.#rows.add(start, head, offsets);
    this.#fdes.broken++;
    this.#reduced.broken.rows++;
    this.#reduced.broken.bytes += end - start;
  }
}
