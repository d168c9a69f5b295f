import type { ExecutableInfo, Missing, SymbolFrame } from "./executable-file.ts";
import type { JitFileKind } from "./jit/open-jit-file.ts";
import type { NotAllRead } from "./jit/read-maps.ts";
import type { OpenScript } from "./jit/source-map/script-maps.ts";
import type { OriginalPlace, ScriptPlace } from "./jit/source-map/source-map.ts";
import type { KernelFacts } from "./kernel/layout.ts";
import type { NamingOptions } from "./native/file-symbols.ts";
import type { AltLink, DebugLink } from "./sources/debug-file.ts";

/** The contents of a file, as they can be sent to a thread. */
export type SentSource = { readonly fd: number } | { readonly bytes: Uint8Array };

export interface SentFile {
  readonly key: string;
  readonly buildId: string;
  readonly source: SentSource;
}

/** What was found of the files that a file names; `null` is what was nowhere. */
export interface SentDebugFiles {
  readonly debug?: SentDebugFile | null;
  readonly supplementary?: SentDebugFile | null;
  readonly package?: SentDebugFile | null;
}

export interface SentDebugFile {
  readonly name: string;
  readonly fd: number;
}

export type DebugFileRole = keyof SentDebugFiles;

/** The worker cannot answer before somebody has looked for another file, of which this is known. */
export interface DebugFileWanted {
  readonly role: DebugFileRole;
  readonly buildId: string;
  readonly debugLink?: DebugLink | undefined;
  readonly altLink?: AltLink | undefined;
}

/** What the main thread asks of the worker. One question is open at a time. */
export type WorkerRequest =
  | { readonly kind: "identify"; readonly file: SentFile }
  | {
      readonly kind: "symbolize";
      readonly file: SentFile;
      readonly addresses: BigUint64Array;
      readonly naming: NamingOptions;
      /** Looks at debug information; else at symbol tables alone. */
      readonly lines: boolean;
      /** Asked for by an earlier answer, as far as it was found; absent when nobody looks. */
      readonly debugFiles?: SentDebugFiles | undefined;
      readonly index?: IndexPlace | undefined;
    }
  | {
      readonly kind: "build-index";
      readonly file: SentFile;
      readonly debugFiles?: SentDebugFiles | undefined;
      readonly folder: string;
      /** A file with more bytes of .debug_info has no index. */
      readonly infoBytesMax: number;
    }
  | { readonly kind: "load-unwind-table"; readonly file: SentFile; readonly target: TableTarget }
  | {
      readonly kind: "drop-unwind-tables";
      readonly slots: number;
      readonly dropped: readonly number[];
    }
  | {
      readonly kind: "name-jit";
      readonly map: { readonly key: string; readonly fd: number; readonly kind: JitFileKind };
      readonly addresses: BigUint64Array;
    }
  | {
      readonly kind: "map-places";
      readonly script: OpenScript;
      readonly places: readonly ScriptPlace[];
    }
  | { readonly kind: "kernel-facts" }
  | { readonly kind: "kernel-symbolize"; readonly addresses: BigUint64Array };

/** Where an index of the file may be. */
export interface IndexPlace {
  readonly folder: string;
  /** How many were made of the file: an open one is looked for anew when one more was. */
  readonly made: number;
}

/** Where in the kernel an unwind table goes. */
export interface TableTarget {
  /** fd of the BPF map of tables. */
  readonly slots: number;
  readonly slot: number;
  /** A table that is larger is not loaded. */
  readonly bytesMax: number;
  /** Where tables are kept from one start to the next; undefined for nowhere. */
  readonly cacheFolder?: string | undefined;
}

/** A table that is in the kernel. */
export interface LoadedTable {
  /** The file's address at which its first page begins: a multiple of 64 KiB. */
  readonly base: number;
  readonly pageCount: number;
  /** Kernel memory. */
  readonly bytes: number;
}

/** A table that was not loaded because it has so many bytes. */
export interface TooLarge {
  readonly tooLarge: number;
}

/** For each address its frames, innermost first; none when it has no name. */
export type FramesOfAddresses = readonly (readonly SymbolFrame[])[];

/** What the worker found for addresses of a file. */
export interface FoundFrames {
  readonly frames: FramesOfAddresses;
  /**
   * For each address two numbers: from the first to before the second every address has the
   * same frames. Both are 0 when that is not known.
   */
  readonly ranges: Float64Array;
  /** Its debug information was looked at, and not an index. */
  readonly isCostly?: boolean;
}

export interface WorkerAnswers {
  readonly identify: ExecutableInfo | Missing;
  readonly symbolize: FoundFrames | DebugFileWanted | Missing;
  readonly "build-index": { readonly bytes: number } | DebugFileWanted | Missing;
  readonly "load-unwind-table": LoadedTable | TooLarge | Missing;
  readonly "drop-unwind-tables": { readonly dropped: number } | Missing;
  readonly "name-jit": FramesOfAddresses | NotAllRead | Missing;
  readonly "map-places": readonly (OriginalPlace | undefined)[] | Missing;
  readonly "kernel-facts": KernelFacts | Missing;
  readonly "kernel-symbolize": FramesOfAddresses | Missing;
}

/** The worker's first word: it takes questions from now on. */
export const workerReady = "ready" as const;

export type WorkerMessage = WorkerAnswer | typeof workerReady;

export type WorkerAnswer = WorkerAnswers[WorkerRequest["kind"]];
