import type { Clock } from "../../../support/clock.ts";
import type { Logger } from "../../../support/logger.ts";
import type { SymbolServices } from "../../../symbols/services.ts";
import { TableStore } from "./table-store.ts";
import { type UnwindMapSet, UnwindMaps } from "./unwind-maps.ts";
import { Unwinder } from "./unwinder.ts";

/** An unwinder of a program that samples. It holds nothing but the maps, which are its owner's. */
export function startUnwinder(
  mapSet: UnwindMapSet,
  services: SymbolServices,
  { clock, logger, bytesMax, cacheFolder }: StartOptions,
): Unwinder {
  const maps = new UnwindMaps(mapSet);
  const { symbolizer: loader, executables } = services;
  const store = new TableStore({ loader, slots: maps.tables, bytesMax, cacheFolder, clock });
  return new Unwinder({ maps, store, executables, clock, logger });
}

interface StartOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Kernel memory for tables. */
  readonly bytesMax: number;
  readonly cacheFolder: string | undefined;
}
