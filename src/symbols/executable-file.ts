import type { LoadSegment } from "./elf/elf-file.ts";

/** An answer that is not there, and why, in words that can stand in a log. */
export interface Missing {
  readonly missing: string;
  /** What it is counted as; no_file when it is left out. */
  readonly kind?: MissingKind;
}

/** Few classes of reasons, for counters: `symbolize`'s README says what each holds. */
export type MissingKind = "no_file" | "other_build" | "kernel_hidden" | "given_up";

/** Open for reading: a descriptor that its owner closes, or bytes in memory. */
export type FileSource = FileDescriptor | { readonly bytes: Uint8Array };

export interface FileDescriptor extends Disposable {
  readonly fd: number;
}

/** A file with code, by the identity under which its tables are kept. */
export interface ExecutableFile {
  /** Equal keys are the same contents. */
  readonly key: string;
  /**
   * The build id that the file must have, lower-case hex; "" when none is known. Tables of
   * another build would give wrong names, so a file that differs is refused.
   */
  readonly buildId: string;
  /** Where it is, as `root` has it; absent when it is on no disk. */
  readonly path?: string | undefined;
  /** The folder that is `/` for its path: `/proc/PID/root` of a live process. */
  readonly root?: string | undefined;
  /** Opens it. The caller closes what it gets. */
  open(): FileSource | Missing;
}

/** What identifies a file and where its contents go in memory. */
export interface ExecutableInfo {
  /** GNU build id, lower-case hex; "" when the file has none. */
  readonly buildId: string;
  /** Go's own build id; "" when it is not a Go program. */
  readonly goBuildId: string;
  /** OpenTelemetry's hash of the contents, hex. */
  readonly htlhash: string;
  readonly segments: readonly LoadSegment[];
}

/** One function at an address; several for one address are inlined, innermost first. */
export interface SymbolFrame {
  /** What people read. */
  readonly name: string;
  /** The symbol as it is stored. */
  readonly systemName: string;
  /** Its path as the debug information has it, joined with its folders. */
  readonly file?: string;
  /** From 1 on; left out where it is not known. */
  readonly line?: number;
  /** From 1 on; left out where it is not known. */
  readonly column?: number;
  /** How far a runtime had compiled it, in the runtime's words. */
  readonly tier?: string;
}

export function isMissing(answer: object): answer is Missing {
  return "missing" in answer;
}
