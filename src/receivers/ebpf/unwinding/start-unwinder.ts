import { defaultCacheFolder } from "../../../support/cache-folder.ts";
import type { Clock } from "../../../support/clock.ts";
import type { Logger } from "../../../support/logger.ts";
import type { SymbolServices } from "../../../symbols/services.ts";
import type { EbpfConfig } from "../config.ts";
import { TableStore } from "./table-store.ts";
import { type UnwindMapSet, UnwindMaps } from "./unwind-maps.ts";
import { Unwinder } from "./unwinder.ts";

/** An unwinder of a program that samples. It holds nothing but the maps, which are its owner's. */
export function startUnwinder(
  mapSet: UnwindMapSet,
  services: SymbolServices,
  { clock, logger, config }: StartOptions,
): Unwinder {
  const maps = new UnwindMaps(mapSet);
  const bytesMax = config.unwind_table_bytes;
  const cacheFolder = cacheFolderOf(config);
  const { symbolizer: loader, executables } = services;
  const store = new TableStore({ loader, slots: maps.tables, bytesMax, cacheFolder, clock });
  return new Unwinder({ maps, store, executables, clock, logger });
}

interface StartOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly config: EbpfConfig;
}

function cacheFolderOf({ unwind_cache_directory: folder }: EbpfConfig): string | undefined {
  if (folder === "none") return undefined;
  return folder || defaultCacheFolder(process.env, process.geteuid?.() ?? 0);
}
