/**
 * Rules for code that no FDE covers. What it is, its bytes tell:
 *
 *   prologues       where functions push and set the frame pointer (V8's builtins, Go, a browser
 *                   without .eh_frame), the frame pointer rule holds
 *   entry point     the end of the stack: C libraries write it without call frame information
 *   sigreturn       the stub that returns from a signal handler
 *   .plt            as linkers write it that give it no FDE
 *   anything else   cannot, or the end of the stack where the frame pointer is 0
 */
import { ByteReader } from "../../support/byte-reader.ts";
import { type ElfFile, SHF_EXECINSTR, SHT_NOBITS } from "../elf/elf-file.ts";
import { addressOfFileOffset, fileOffsetOfAddress } from "./frame-sections.ts";
import { type CfiArchitecture, X86_64 } from "./rule-state.ts";
import {
  ARM_LR,
  CFA_AT_REGISTER,
  CFA_PLT,
  FP_SAME,
  kindByte,
  type PackedRule,
  packHead,
  packOffsets,
  SPECIAL_END,
  SPECIAL_FRAME_POINTER,
  SPECIAL_GAP,
  SPECIAL_SIGNAL,
  specialRule,
} from "./unwind-rows.ts";

/** Code of one file that is looked at; what lies behind is judged by what was seen. */
export const SCAN_BYTES_MAX: number = 64 * 1024 * 1024;
/** Of one gap: pieces that are spread evenly. A browser without .eh_frame has 100 MB in one. */
const SCAN_BYTES_OF_GAP = 8 * 1024 * 1024;
/** Code that keeps frame pointers sets one at least this often; measured: every 500 bytes. */
const BYTES_PER_PROLOGUE_MAX = 4096;
/** Stubs of one file; a static program has one. */
const SIGNAL_STUBS_MAX = 16;
/** Sections .plt, .plt.sec, .plt.got, .iplt. */
const PLT_SECTIONS_MAX = 16;
/** Code behind the entry point that is of the same function: C libraries have 20 to 50 bytes. */
const ENTRY_BYTES = 64;
const PIECE_BYTES = 64 * 1024;
/** Longest pattern: pieces overlap by one less. */
const PATTERN_BYTES_MAX = 9;
const E_ENTRY_AT = 24;

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

/** A rule and where it begins. */
export interface PlacedRule extends PackedRule {
  readonly address: number;
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
  readonly #isX86: boolean;
  readonly #entry: number;
  readonly #plts: readonly AddressRange[];
  readonly #piece = Buffer.alloc(PIECE_BYTES);
  #pieceStart = 0;
  #pieceLength = 0;
  #scannedBytes = 0;
  #signalStubs = 0;
  /** In all gaps so far. */
  readonly #seen: Seen = { prologues: 0, bytes: 0 };

  constructor(elf: ElfFile, architecture: CfiArchitecture) {
    this.#elf = elf;
    this.#isX86 = architecture === X86_64;
    this.#entry = entryPoint(elf);
    this.#plts = pltSections(elf);
  }

  /** The rules from `start` to before `end`, the first at `start`, in ascending order. */
  rulesOf(start: number, end: number): PlacedRule[] {
    const plt = this.#plts.find((one) => one.start < end && start < one.end);
    if (plt === undefined) return this.#rulesOfCode(start, end);
    const from = Math.max(start, plt.start);
    const to = Math.min(end, plt.end);
    return [
      ...(start < from ? this.rulesOf(start, from) : []),
      { address: from, ...this.#pltRule() },
      ...(to < end ? this.rulesOf(to, end) : []),
    ];
  }

  #rulesOfCode(start: number, end: number): PlacedRule[] {
    const scan = this.#scan(start, end);
    const { prologues, bytes } = scan.bytes > 0 ? scan : this.#seen;
    const keepsFramePointers = prologues > 0 && bytes / prologues <= BYTES_PER_PROLOGUE_MAX;
    const isGo = this.#elf.goBuildId !== "";
    const rest = specialRule(keepsFramePointers || isGo ? SPECIAL_FRAME_POINTER : SPECIAL_GAP);
    this.#seen.prologues += scan.prologues;
    this.#seen.bytes += scan.bytes;
    const rules: PlacedRule[] = [{ address: start, ...rest }];
    for (const { range, special } of this.#exceptions(scan, start, end)) {
      rules.push({ address: range.start, ...specialRule(special) });
      if (range.end < end) rules.push({ address: range.end, ...rest });
    }
    return rules;
  }

  #exceptions(
    scan: Scan,
    start: number,
    end: number,
  ): { readonly range: AddressRange; readonly special: number }[] {
    const stubs = scan.signalStubs.map((range) => ({ range, special: SPECIAL_SIGNAL }));
    const entry = this.#entry;
    if (!(entry >= start && entry < end)) return stubs;
    const stop = Math.min(
      entry + ENTRY_BYTES,
      ...stubs.map(({ range }) => range.start).filter((stub) => stub > entry),
    );
    const entryRange = { range: { start: entry, end: stop }, special: SPECIAL_END };
    return [...stubs.filter(({ range }) => range.start !== entry), entryRange].sort(
      (a, b) => a.range.start - b.range.start,
    );
  }

  #pltRule(): PackedRule {
    if (this.#isX86) {
      const cfa = kindByte(CFA_PLT, PLT_PUSHED_AT);
      return { head: packHead(cfa, FP_SAME), offsets: packOffsets(1, 0) };
    }
    const cfa = kindByte(CFA_AT_REGISTER, 31);
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
    const offset = fileOffsetOfAddress(this.#elf, address);
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

function countArm64Prologues(piece: Buffer, address: number): number {
  let count = 0;
  for (let at = (4 - (address % 4)) % 4; at + 4 <= piece.length; at += 4) {
    if ((piece.readUInt32LE(at) & ARM64_PROLOGUE_MASK) >>> 0 === ARM64_PROLOGUE) count++;
  }
  return count;
}

function pltSections(elf: ElfFile): readonly AddressRange[] {
  return elf.sections
    .filter(({ name, flags, type }) => {
      return /^\.i?plt/.test(name) && (flags & SHF_EXECINSTR) !== 0 && type !== SHT_NOBITS;
    })
    .slice(0, PLT_SECTIONS_MAX)
    .map(({ offset, size }) => {
      const start = addressOfFileOffset(elf, offset);
      return { start, end: start + size };
    })
    .filter(({ start, end }) => start < end);
}

/** NaN when it does not fit. */
function entryPoint(elf: ElfFile): number {
  const header = new ByteReader(elf.access.read(0, E_ENTRY_AT + 8), elf.access.name);
  header.seek(E_ENTRY_AT);
  const entry = header.u64();
  return entry > 0n && entry <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(entry) : Number.NaN;
}
