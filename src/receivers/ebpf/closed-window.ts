import type { ProfileBatch } from "../../profiles/profile.ts";
import type { Clock } from "../../support/clock.ts";
import { PROGRAM_NAME, programVersion } from "../../support/program.ts";
import { buildBatch } from "./batch-builder.ts";
import type { ClosedWindow, Running } from "./running.ts";

/** The batch of a window that is over. What it has met must have been read. */
export function batchOf(
  running: Running,
  closed: ClosedWindow,
  { clock, timestamps }: { readonly clock: Clock; readonly timestamps: boolean },
): ProfileBatch {
  const { window, windowStartNs, windowEndNs } = closed;
  const { startNs, endNs } = window.span(windowStartNs, windowEndNs);
  const monotonicToUnixNano = clock.unixNanos() - clock.monotonicNanos();
  return buildBatch(window, {
    scope: {
      name: PROGRAM_NAME,
      version: programVersion(),
      attributes: [],
      droppedAttributesCount: 0,
    },
    startUnixNano: startNs + monotonicToUnixNano,
    durationNano: endNs - startNs,
    periodNano: closed.periodNs,
    monotonicToUnixNano,
    timestamps,
    executables: running.services.executables,
    jitMaps: running.services.jitMaps,
    kernel: running.kernel,
    containers: running.containers,
  });
}
