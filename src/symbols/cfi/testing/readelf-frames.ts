import { spawnSync } from "node:child_process";
import {
  ARM_FRAME,
  ARM_LR,
  ARM_LR_FP,
  CFA_AT_REGISTER,
  CFA_FAR,
  CFA_LEAF,
  CFA_RA_REGISTER,
  CFA_SPECIAL,
  FP_AT_CFA,
  FP_AT_FP,
  FP_AT_SP,
  FP_IN_REGISTER,
  SPECIAL_END,
  SPECIAL_SIGNAL,
} from "../unwind-rows.ts";
import type { UnwindRule } from "../unwind-step.ts";
import type { UnwindMachine } from "../unwind-table.ts";

/** A row as readelf writes it; what a table has no column for is "u". */
export interface ReadelfRow {
  readonly address: number;
  readonly cfa: string;
  readonly fp: string;
  readonly ra: string;
}

export interface ReadelfFde {
  readonly start: number;
  readonly end: number;
  readonly isSignalFrame: boolean;
  readonly rows: readonly ReadelfRow[];
}

/** 130,000 FDEs of Node's own binary are written in 60 MB. */
const READELF_BYTES_MAX = 512 * 1024 * 1024;

/** The FDEs of .eh_frame and .debug_frame as `readelf -wF` interprets them, in the order of the file. */
export function readelfFrames(path: string, machine: UnwindMachine): ReadelfFde[] {
  // Its status is 1 when a separate file of debug information is not to be had.
  const { stdout } = spawnSync("readelf", ["-W", "-wF", path], {
    encoding: "latin1",
    maxBuffer: READELF_BYTES_MAX,
    stdio: ["ignore", "pipe", "ignore"],
  });
  return parse(stdout, machine === "x86_64" ? "rbp" : "x29");
}

const RECORD =
  /^[0-9a-f]+ [0-9a-f]+ [0-9a-f]+ (?:CIE "(.*)"|FDE cie=([0-9a-f]+) pc=([0-9a-f]+)\.\.([0-9a-f]+))/;

interface Cie {
  readonly isSignalFrame: boolean;
  readonly rows: ReadelfRow[];
}

function parse(text: string, fpName: string): ReadelfFde[] {
  const cies = new Map<number, Cie>();
  const fdes: ReadelfFde[] = [];
  let rows: ReadelfRow[] = [];
  let columns: string[] = [];
  let inherited: readonly ReadelfRow[] = [];
  const flush = (): void => {
    const fde = fdes.at(-1);
    const [own] = inherited;
    if (fde !== undefined && rows.length === 0 && own !== undefined) {
      rows.push({ ...own, address: fde.start });
    }
  };
  for (const line of text.split("\n")) {
    if (line.startsWith("Contents of")) cies.clear();
    const record = RECORD.exec(line);
    if (record !== null) {
      flush();
      const [, augmentation, cie, start, end] = record;
      rows = [];
      inherited = [];
      if (augmentation !== undefined) {
        const isSignalFrame = augmentation.includes("S");
        cies.set(Number.parseInt(line, 16), { isSignalFrame, rows });
        continue;
      }
      const own = cies.get(Number.parseInt(cie as string, 16));
      inherited = own?.rows ?? [];
      fdes.push({
        start: Number.parseInt(start as string, 16),
        end: Number.parseInt(end as string, 16),
        isSignalFrame: own?.isSignalFrame ?? false,
        rows,
      });
    } else if (line.startsWith("   LOC")) {
      columns = line.trim().split(/\s+/);
    } else if (/^[0-9a-f]{16} +\S/.test(line)) {
      rows.push(parseRow(line, columns, fpName));
    }
  }
  flush();
  return fdes;
}

function parseRow(line: string, columns: readonly string[], fpName: string): ReadelfRow {
  // A register has its name behind its number.
  const fields = line
    .replace(/ \(\w+\)/g, "")
    .trim()
    .split(/\s+/);
  const field = (name: string): string => fields[columns.indexOf(name)] ?? "u";
  const address = Number.parseInt(fields[0] as string, 16);
  return { address, cfa: field("CFA"), fp: field(fpName), ra: field("ra") };
}

/** Our rule in the same words, without the address; undefined for "cannot". */
export function inReadelfWords(
  rule: UnwindRule,
  machine: UnwindMachine,
): Omit<ReadelfRow, "address"> | undefined {
  const { kind, register, cfaOffset } = rule;
  if (kind === CFA_SPECIAL) {
    if (register === SPECIAL_END) return { cfa: "any", fp: "any", ra: "u" };
    return register === SPECIAL_SIGNAL ? { cfa: "signal", fp: "any", ra: "any" } : undefined;
  }
  const isX86 = machine === "x86_64";
  let cfa = "exp";
  if (kind === CFA_AT_REGISTER || kind === CFA_FAR || kind === CFA_LEAF)
    cfa = withOffset(cfaName(register, isX86), cfaOffset);
  if (kind === CFA_RA_REGISTER) cfa = withOffset("rsp", cfaOffset);
  if (!isX86) return { cfa, ...arm64Registers(rule) };
  return { cfa, fp: x86FramePointer(rule), ra: kind === CFA_RA_REGISTER ? `r${register}` : "c-8" };
}

const X86_NAMES = ["rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp"];

function cfaName(register: number, isX86: boolean): string {
  if (isX86) return X86_NAMES[register] ?? `r${register}`;
  return register === 31 ? "sp" : `x${register}`;
}

function x86FramePointer({ fpKind, fpExtra, fpOffset }: UnwindRule): string {
  if (fpKind === FP_AT_CFA) return withOffset("c", fpOffset);
  if (fpKind === FP_AT_FP || fpKind === FP_AT_SP) return "exp";
  return fpKind === FP_IN_REGISTER ? `r${fpExtra}` : "u";
}

function arm64Registers({ kind, fpKind, fpExtra, fpOffset }: UnwindRule): {
  fp: string;
  ra: string;
} {
  if (fpKind === ARM_LR) return { fp: "u", ra: "u" };
  if (fpKind === ARM_LR_FP) return { fp: withOffset("c", fpOffset), ra: "u" };
  const distance = kind === CFA_FAR ? -1 : fpExtra > 15 ? fpExtra - 32 : fpExtra;
  const fp = fpKind === ARM_FRAME ? withOffset("c", fpOffset + distance * 8) : "u";
  return { fp, ra: withOffset("c", fpOffset) };
}

function withOffset(name: string, offset: number): string {
  return `${name}${offset < 0 ? "" : "+"}${offset}`;
}
