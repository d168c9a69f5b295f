import type { ProcessMapping } from "../../linux/process-mapping.ts";
import { openTargetFile } from "../../linux/target-file.ts";
import type { Missing } from "../executable-file.ts";
import { foreignOwnerOf, type OpenJitFile, openedJitFile } from "./open-jit-file.ts";
import { openPerfMapOf } from "./perf-map-file.ts";
import { processIds } from "./process-ids.ts";

/** perf's convention: a runtime has its dump mapped, so that who profiles it finds it. */
const DUMP_NAME = /\/jit-\d+\.dump$/;

/**
 * Opens what the runtime of a process says of its code: the jitdump that it has mapped, which has
 * lines and never changes its mind; else its perf map.
 */
export function openJitFileOf(
  pid: number,
  mappings: readonly ProcessMapping[],
): OpenJitFile | Missing {
  const dump = mappings.findLast(({ path }) => path.endsWith(".dump") && DUMP_NAME.test(path));
  const opened = dump === undefined ? undefined : openDump(pid, dump);
  return opened ?? openPerfMapOf(pid);
}

/** Undefined when it is not to be had. */
function openDump(pid: number, mapping: ProcessMapping): OpenJitFile | undefined {
  const process = processIds(pid);
  if (process === undefined) return undefined;
  const file = openTargetFile({ pid, exitNs: undefined }, mapping);
  if ("missing" in file) return undefined;
  if (foreignOwnerOf(file, process.uid) === undefined) {
    return openedJitFile({ file, kind: "jitdump", path: mapping.path, process });
  }
  file[Symbol.dispose]();
  return undefined;
}
