import { openFileInRoot } from "../../linux/target-file.ts";
import type { Missing } from "../executable-file.ts";
import { foreignOwnerOf, type OpenJitFile, openedJitFile } from "./open-jit-file.ts";
import { processIds } from "./process-ids.ts";

/**
 * Opens the map that a runtime writes for perf: `/tmp/perf-PID.map` in the root of its process, by
 * the pid that it has in its own namespace; else by the pid that it has here. The file must be a
 * regular one of the process's user, or of root: whoever else can write to /tmp would else choose
 * the names of its code.
 */
export function openPerfMapOf(pid: number): OpenJitFile | Missing {
  const process = processIds(pid);
  if (process === undefined) return { missing: `process ${pid} has ended` };
  const root = `/proc/${pid}/root`;
  const inner = process.namespacePid;
  const places = [
    { root, path: `/tmp/perf-${inner}.map` },
    { root, path: `/tmp/perf-${pid}.map` },
    { root: "/", path: `/tmp/perf-${pid}.map` },
  ];
  let refused: string | undefined;
  for (const place of places) {
    // Through a link its owner would have us read what he may not read himself.
    const file = openFileInRoot(place.root, place.path, "no-follow");
    if ("missing" in file) {
      if (file.missing === "not-regular") refused ??= `${place.path} is no regular file`;
      continue;
    }
    const owner = foreignOwnerOf(file, process.uid);
    const { path } = place;
    if (owner === undefined) return openedJitFile({ file, kind: "perf_map", path, process });
    file[Symbol.dispose]();
    refused ??= `${path} belongs to user ${owner}, and the process to ${process.uid}`;
  }
  return { missing: refused ?? `its runtime writes no /tmp/perf-${inner}.map` };
}
