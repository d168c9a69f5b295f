/**
 * Rules for code that no FDE covers. What it is, its bytes tell:
 *
 *   Go              its own table of functions tells
 *   prologues       where functions push and set the frame pointer (V8's builtins, Go, a browser
 *                   without .eh_frame), the frame pointer rule holds
 *   entry point     the end of the stack: C libraries write it without call frame information
 *   sigreturn       the stub that returns from a signal handler
 *   .plt            as linkers write it that give it no FDE
 *   compiled code   the stack pointer is followed from each function's start (x86-64)
 *   arm64's leaves  the link register tells
 *   anything else   cannot, or the end of the stack where the frame pointer is 0
 */
import { ByteReader } from "../../support/byte-reader.ts";
import { type ElfFile, SHF_EXECINSTR, SHT_NOBITS } from "../elf/elf-file.ts";
import type { FileSegments } from "./file-segments.ts";
import { functionStarts } from "./function-starts.ts";
import type { GoFunctions } from "./go-functions.ts";
import { goRules } from "./go-rules.ts";
import type { PlacedRule } from "./placed-rule.ts";
import { type CfiArchitecture, X86_64 } from "./rule-state.ts";
import { FLOW_BYTES_MAX, followStack } from "./stack-flow.ts";
import {
  ARM_LR,
  CFA_AT_REGISTER,
  CFA_LEAF,
  CFA_PLT,
  FP_SAME,
  kindByte,
  type PackedRule,
  packHead,
  packOffsets,
  SPECIAL_END,
  SPECIAL_FRAME_POINTER,
  SPECIAL_GAP,
  signalRule,
  specialRule,
} from "./unwind-rows.ts";
import { FLOW_END, X86Decoder } from "./x86-instruction.ts";

/** Code of one file that is looked at; what lies behind is judged by what was seen. */
export const SCAN_BYTES_MAX: number = 64 * 1024 * 1024;
/** Of one gap: pieces that are spread evenly. A browser without .eh_frame has 100 MB in one. */
const SCAN_BYTES_OF_GAP = 8 * 1024 * 1024;
/** Code that keeps frame pointers sets one at least this often; measured: every 500 bytes. */
const BYTES_PER_PROLOGUE_MAX = 4096;
/** Gaps that are looked into; of the C++ programs that are known the largest has 9,000. */
export const GAPS_MAX = 65_536;
/** Stubs of one file; a static program has one. */
const SIGNAL_STUBS_MAX = 16;
/** .init, .plt, .plt.sec, .plt.got, .text, .fini and a few of the program's own. */
const CODE_SECTIONS_MAX = 64;
/** Code behind the entry point that is of the same function: C libraries have 20 to 50 bytes. */
const ENTRY_BYTES = 64;
const PIECE_BYTES = 64 * 1024;
/** Symbol tables of both kinds that are read for it; a C library has 200 KB. */
const SYMBOL_BYTES_MAX = 16 * 1024 * 1024;
/** Code of a few functions, as C's start-up files have, is not worth reading large ones. */
const FEW_BYTES = 4096;
const SYMBOL_BYTES_OF_FEW = 1024 * 1024;
/** From here on the prologues alone tell: code without frame pointers has one in 20,000 bytes. */
const LARGE_GAP_BYTES = PIECE_BYTES;
/** Code with frame pointers has one prologue for each one or two returns. */
const RETURNS_PER_PROLOGUE_MAX = 4;
/** Longest pattern: pieces overlap by one less. */
const PATTERN_BYTES_MAX = 9;
const E_ENTRY_AT = 24;
const ARM64_SP = 31;
const framePointerRule = specialRule(SPECIAL_FRAME_POINTER);
const arm64LeafRule: PackedRule = {
  head: packHead(kindByte(CFA_LEAF, ARM64_SP), ARM_LR),
  offsets: 0,
};

/** push rbp; mov rbp, rsp, in both encodings of the move. */
const X86_PROLOGUES = [
  Buffer.from([0x55, 0x48, 0x89, 0xe5]),
  Buffer.from([0x55, 0x48, 0x8b, 0xec]),
];
/** mov rax, 15 (eax in the second); syscall. */
const X86_SIGNAL_STUBS = [
  Buffer.from([0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05]),
  Buffer.from([0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05]),
];
/** stp x29, x30, [sp, #-n]! by its fixed bits. */
const ARM64_PROLOGUE_MASK = 0xffc0_7fff;
const ARM64_PROLOGUE = 0xa980_7bfd;
/** mov x8, #139; svc #0. */
const ARM64_SIGNAL_STUBS = [Buffer.from([0x68, 0x11, 0x80, 0xd2, 0x01, 0, 0, 0xd4])];
/** Where in an entry of .plt, which has 16 bytes, something was pushed. */
const PLT_PUSHED_AT = 11;

interface AddressRange {
  readonly start: number;
  readonly end: number;
}

interface CodeSection extends AddressRange {
  readonly isPlt: boolean;
}

interface Exception extends AddressRange {
  readonly rule: PackedRule;
}

interface Seen {
  prologues: number;
  bytes: number;
}

interface Scan extends Seen {
  readonly signalStubs: AddressRange[];
}

/** Finds the rules of one file's gaps, which are asked for in ascending order. */
export class CodeGaps {
  readonly #elf: ElfFile;
  readonly #go: GoFunctions | undefined;
  readonly #segments: FileSegments;
  readonly #isX86: boolean;
  readonly #entry: number;
  readonly #sections: readonly CodeSection[];
  readonly #piece = Buffer.alloc(PIECE_BYTES);
  #pieceStart = 0;
  #pieceLength = 0;
  #scannedBytes = 0;
  #gaps = 0;
  #signalStubs = 0;
  #followedBytes = 0;
  /** By how many bytes of symbol tables may be read. */
  readonly #starts = new Map<number, Float64Array>();
  /** In all gaps so far. */
  readonly #seen: Seen = { prologues: 0, bytes: 0 };

  constructor(
    elf: ElfFile,
    architecture: CfiArchitecture,
    { segments, go }: { readonly segments: FileSegments; readonly go: GoFunctions | undefined },
  ) {
    this.#elf = elf;
    this.#go = go;
    this.#segments = segments;
    this.#isX86 = architecture === X86_64;
    this.#entry = entryPoint(elf);
    this.#sections = codeSections(elf, segments);
  }

  /** The rules from `start` to before `end`, the first at `start`, in ascending order. */
  rulesOf(start: number, end: number): PlacedRule[] {
    if (++this.#gaps > GAPS_MAX) return [{ address: start, ...specialRule(SPECIAL_GAP) }];
    const rules: PlacedRule[] = [];
    let covered = start;
    for (const section of this.#sections) {
      const from = Math.max(section.start, covered);
      const to = Math.min(section.end, end);
      if (from >= to) continue;
      if (covered < from) rules.push({ address: covered, ...specialRule(SPECIAL_GAP) });
      if (section.isPlt) rules.push({ address: from, ...this.#pltRule() });
      else for (const rule of this.#rulesOfCode(from, to)) rules.push(rule);
      covered = to;
    }
    if (covered < end) rules.push({ address: covered, ...specialRule(SPECIAL_GAP) });
    return rules;
  }

  #rulesOfCode(start: number, end: number): PlacedRule[] {
    const ofGo = this.#rulesOfGo(start, end);
    if (ofGo !== undefined) return ofGo;
    const scan = this.#scan(start, end);
    const { prologues, bytes } = scan.bytes > 0 ? scan : this.#seen;
    const isDense =
      prologues > 0 &&
      bytes / prologues <= BYTES_PER_PROLOGUE_MAX &&
      (end - start >= LARGE_GAP_BYTES || this.#isMostlyFramed(start, end, prologues));
    const keepsFramePointers = isDense || this.#elf.goBuildId !== "";
    this.#seen.prologues += scan.prologues;
    this.#seen.bytes += scan.bytes;
    const special = keepsFramePointers ? framePointerRule : this.#unframedRule(prologues);
    const followed = keepsFramePointers ? undefined : this.#followStack(start, end);
    const rules = followed ?? [{ address: start, ...special }];
    return withExceptions(rules, this.#exceptions(scan, start, end), end);
  }

  /**
   * Compilers for arm64 set a frame pointer in every function that calls another. So where none is
   * set, as in the kernel's vdso, are leaves, whose return address is in the link register.
   */
  #unframedRule(prologues: number): PackedRule {
    if (this.#isX86) return specialRule(SPECIAL_GAP);
    return prologues > 0 ? framePointerRule : arm64LeafRule;
  }

  /** Undefined when it is not Go's code, or of a Go whose table is not known. */
  #rulesOfGo(start: number, end: number): PlacedRule[] | undefined {
    if (this.#go === undefined) return undefined;
    const rules = goRules(this.#go, { start, end }, this.#isX86);
    if (rules.length === 0) return undefined;
    const before = { address: start, ...specialRule(SPECIAL_FRAME_POINTER) };
    return rules[0]?.address === start ? rules : [before, ...rules];
  }

  /** In little code a few functions with alloca may have all the prologues. */
  #isMostlyFramed(start: number, end: number, prologues: number): boolean {
    const offset = this.#segments.offsetOf(start);
    if (!this.#isX86 || offset + (end - start) > this.#elf.access.size) return true;
    const bytes = this.#elf.access.read(offset, end - start);
    return prologues * RETURNS_PER_PROLOGUE_MAX >= countReturns(bytes);
  }

  /** Undefined when it is no code that can be followed, or too much. */
  #followStack(start: number, end: number): PlacedRule[] | undefined {
    const offset = this.#segments.offsetOf(start);
    const length = end - start;
    const isThere = offset + length <= this.#elf.access.size;
    if (!this.#isX86 || !isThere || this.#followedBytes + length > FLOW_BYTES_MAX) return undefined;
    this.#followedBytes += length;
    const bytes = this.#elf.access.read(offset, length);
    return followStack(bytes, start, between(this.#functionStarts(length), start, end));
  }

  #functionStarts(codeBytes: number): Float64Array {
    const bytesMax = codeBytes < FEW_BYTES ? SYMBOL_BYTES_OF_FEW : SYMBOL_BYTES_MAX;
    return this.#starts.getOrInsertComputed(bytesMax, () => functionStarts(this.#elf, bytesMax));
  }

  /** Ascending, without overlaps. */
  #exceptions(scan: Scan, start: number, end: number): Exception[] {
    const stubs = scan.signalStubs.map((range) => ({ ...range, rule: signalRule(this.#isX86) }));
    const entry = this.#entry;
    if (!(entry >= start && entry < end)) return stubs;
    const later = stubs.map((stub) => stub.start).filter((stub) => stub > entry);
    const stop = Math.min(entry + ENTRY_BYTES, end, ...later);
    const others = stubs.filter((stub) => stub.end < entry || stub.start > entry);
    // A sample in the exec itself is looked up one byte before.
    const atEntry = {
      start: Math.max(entry - 1, start),
      end: stop,
      rule: specialRule(SPECIAL_END),
    };
    return [...others, atEntry].sort((a, b) => a.start - b.start);
  }

  #pltRule(): PackedRule {
    if (this.#isX86) {
      const cfa = kindByte(CFA_PLT, PLT_PUSHED_AT);
      return { head: packHead(cfa, FP_SAME), offsets: packOffsets(1, 0) };
    }
    const cfa = kindByte(CFA_AT_REGISTER, ARM64_SP);
    return { head: packHead(cfa, ARM_LR), offsets: packOffsets(0, 0) };
  }

  #scan(start: number, end: number): Scan {
    const scan: Scan = { prologues: 0, bytes: 0, signalStubs: [] };
    const skipped = (Math.ceil((end - start) / SCAN_BYTES_OF_GAP) - 1) * PIECE_BYTES;
    for (let address = start; address < end; ) {
      const piece = this.#bytesAt(address, end);
      if (piece.length === 0) break;
      this.#count(piece, address, scan);
      const isLast = address + piece.length >= end || piece.length < PATTERN_BYTES_MAX;
      const step = isLast ? piece.length : piece.length - PATTERN_BYTES_MAX + 1;
      scan.bytes += step;
      address += step + skipped;
    }
    scan.signalStubs.sort((a, b) => a.start - b.start);
    return scan;
  }

  #count(piece: Buffer, address: number, scan: Scan): void {
    scan.prologues += this.#isX86 ? countX86Prologues(piece) : countArm64Prologues(piece, address);
    for (const stub of this.#isX86 ? X86_SIGNAL_STUBS : ARM64_SIGNAL_STUBS) {
      let at = piece.indexOf(stub);
      while (at >= 0 && this.#signalStubs < SIGNAL_STUBS_MAX) {
        this.#signalStubs++;
        // The frame's return address is the stub's first byte, and is looked up one byte before.
        const start = Math.max(address + at - 1, address);
        scan.signalStubs.push({ start, end: address + at + stub.length });
        at = piece.indexOf(stub, at + stub.length);
      }
    }
  }

  /** Up to a piece of the file's bytes at the address; none when it has none or the scan is over. */
  #bytesAt(address: number, end: number): Buffer {
    const distance = address - this.#pieceStart;
    const wanted = Math.min(end - address, PIECE_BYTES);
    if (distance >= 0 && distance + wanted <= this.#pieceLength) {
      return this.#piece.subarray(distance, distance + wanted);
    }
    const offset = this.#segments.offsetOf(address);
    const length = Math.min(PIECE_BYTES, this.#elf.access.size - offset);
    if (!(length > 0) || this.#scannedBytes >= SCAN_BYTES_MAX) return this.#piece.subarray(0, 0);
    this.#elf.access.readInto(this.#piece.subarray(0, length), offset);
    this.#scannedBytes += length;
    this.#pieceStart = address;
    this.#pieceLength = length;
    return this.#piece.subarray(0, Math.min(wanted, length));
  }
}

function countX86Prologues(piece: Buffer): number {
  let count = 0;
  for (const prologue of X86_PROLOGUES) {
    for (let at = piece.indexOf(prologue); at >= 0; at = piece.indexOf(prologue, at + 4)) count++;
  }
  return count;
}

/** The part of ascending addresses that is inside. */
function between(addresses: Float64Array, start: number, end: number): Float64Array {
  return addresses.subarray(firstFrom(addresses, start), firstFrom(addresses, end));
}

function firstFrom(addresses: Float64Array, address: number): number {
  let low = 0;
  let high = addresses.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((addresses[middle] as number) < address) low = middle + 1;
    else high = middle;
  }
  return low;
}

function countReturns(bytes: Uint8Array): number {
  const decoder = new X86Decoder();
  let count = 0;
  for (let at = 0; at < bytes.length; ) {
    const isDecoded = decoder.decode(bytes, at, bytes.length);
    if (isDecoded && decoder.flow === FLOW_END) count++;
    at += isDecoded ? decoder.length : 1;
  }
  return count;
}

function countArm64Prologues(piece: Buffer, address: number): number {
  let count = 0;
  for (let at = (4 - (address % 4)) % 4; at + 4 <= piece.length; at += 4) {
    if ((piece.readUInt32LE(at) & ARM64_PROLOGUE_MASK) >>> 0 === ARM64_PROLOGUE) count++;
  }
  return count;
}

/** Ascending. Without section headers all executable segments are one. */
function codeSections(elf: ElfFile, segments: FileSegments): readonly CodeSection[] {
  const sections = elf.sections
    .filter(({ flags, type }) => (flags & SHF_EXECINSTR) !== 0 && type !== SHT_NOBITS)
    .slice(0, CODE_SECTIONS_MAX)
    .map(({ name, offset, size }) => {
      const start = segments.addressOf(offset);
      return { start, end: start + size, isPlt: /^\.i?plt/.test(name) };
    })
    .filter(({ start, end }) => start < end)
    .sort((a, b) => a.start - b.start);
  return sections.length > 0 ? sections : [{ start: 0, end: Infinity, isPlt: false }];
}

/** The exceptions laid over the rules, which go on behind each. */
function withExceptions(
  rules: readonly PlacedRule[],
  exceptions: readonly Exception[],
  end: number,
): PlacedRule[] {
  let result = [...rules];
  for (const exception of exceptions) {
    const before = result.filter(({ address }) => address < exception.start);
    const behind = result.filter(({ address }) => address >= exception.end);
    const goesOn = result.findLast(({ address }) => address <= exception.end);
    const isBroken = behind[0]?.address !== exception.end && exception.end < end;
    result = [
      ...before,
      { address: exception.start, ...exception.rule },
      ...(isBroken && goesOn !== undefined ? [{ ...goesOn, address: exception.end }] : []),
      ...behind,
    ];
  }
  return result;
}

/** NaN when it does not fit. */
function entryPoint(elf: ElfFile): number {
  const header = new ByteReader(elf.access.read(0, E_ENTRY_AT + 8), elf.access.name);
  header.seek(E_ENTRY_AT);
  const entry = header.u64();
  return entry > 0n && entry <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(entry) : Number.NaN;
}
