import type { KernelLayout } from "../../symbols/kernel/layout.ts";
import type { SymbolServices } from "../../symbols/services.ts";
import type { ContainerIds } from "./container-ids.ts";
import type { DrainPace } from "./drain-pace.ts";
import type { Governor } from "./governor.ts";
import type { OnCpuSampler } from "./on-cpu-sampler.ts";
import type { ProcessMapping } from "./process-image.ts";
import type { ProcessTable } from "./process-table.ts";
import type { SampleWindow } from "./sample-window.ts";
import type { Unwinder } from "./unwinding/unwinder.ts";

/** What exists between start and stop. */
export interface Running extends WindowState {
  readonly processes: ProcessTable;
  readonly sampler: OnCpuSampler;
  readonly unwinder: Unwinder;
  readonly services: SymbolServices;
  /** As it was when the last batch was made: modules come and go. */
  kernel: KernelLayout;
  readonly containers: ContainerIds;
  /** Of the clocks, and what they are to be changed to. */
  frequencyHz: number;
  wantedHz: number;
  readonly governor: Governor;
  /** Lost samples that were told of. */
  lostBefore: number;
  readonly pace: DrainPace;
  timer: NodeJS.Timeout;
  expiredAtNs: bigint;
  newsAtNs: bigint;
  isReporting: boolean;
  report: Promise<void>;
}

/** What is sent of a window. */
export interface ClosedWindow extends Omit<WindowState, "metMappings" | "intervalMs"> {
  readonly windowEndNs: bigint;
}

/** What begins anew after each report. */
export interface WindowState {
  window: SampleWindow;
  windowStartNs: bigint;
  /** How long the window is to be. */
  intervalMs: number;
  /** Nanoseconds of CPU time that each of its samples stands for. */
  periodNs: number;
  /** Mappings whose file the registry was told of. */
  metMappings: Set<ProcessMapping>;
}
