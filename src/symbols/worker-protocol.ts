import type { ExecutableInfo, Missing, SymbolFrame } from "./executable-file.ts";
import type { KernelFacts } from "./kernel/layout.ts";

/** The contents of a file, as they can be sent to a thread. */
export type SentSource = { readonly fd: number } | { readonly bytes: Uint8Array };

export interface SentFile {
  readonly key: string;
  readonly buildId: string;
  /** Left out when the worker may still have the file's tables. */
  readonly source?: SentSource;
}

/** What the main thread asks of the worker. One question is open at a time. */
export type WorkerRequest =
  | { readonly kind: "identify"; readonly file: SentFile; readonly loadSymbols: boolean }
  | {
      readonly kind: "symbolize";
      readonly file: SentFile;
      readonly addresses: BigUint64Array;
      readonly demangle: boolean;
    }
  | { readonly kind: "kernel-facts" }
  | { readonly kind: "kernel-symbolize"; readonly addresses: BigUint64Array };

/** The worker does not have the file's tables: ask again with its source. */
export const needsSource = "needs-source" as const;

/** For each address its frames, innermost first; none when it has no name. */
export type FramesOfAddresses = readonly (readonly SymbolFrame[])[];

export interface WorkerAnswers {
  readonly identify: ExecutableInfo | Missing | typeof needsSource;
  readonly symbolize: FramesOfAddresses | Missing | typeof needsSource;
  readonly "kernel-facts": KernelFacts | Missing;
  readonly "kernel-symbolize": FramesOfAddresses | Missing;
}

/** The worker's first word: it takes questions from now on. */
export const workerReady = "ready" as const;

export type WorkerMessage = WorkerAnswer | typeof workerReady;

export type WorkerAnswer = WorkerAnswers[WorkerRequest["kind"]];
