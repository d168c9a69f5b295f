import { mergeInto } from "../profiles/merge.ts";
import { ProfileBatch } from "../profiles/profile.ts";
import { CollectorError, isCollectorError, messageOf } from "../support/errors.ts";
import type { ProfileConsumer } from "./component.ts";

export interface FanOutTarget {
  readonly consumer: ProfileConsumer;
  /** Whether it, or anything behind it in its pipeline, changes the batch. */
  readonly changesBatches: boolean;
}

/**
 * One consumer for several: each gets the batch, and one that changes batches gets its own copy,
 * so that no other sees the change.
 */
export function fanOut(targets: readonly FanOutTarget[]): FanOutTarget {
  const [only] = targets;
  if (only !== undefined && targets.length === 1) return only;
  return {
    consumer: { consume: (batch) => consumeAll(targets, batch) },
    // Those that change batches work on copies, unless all do.
    changesBatches: targets.length > 0 && targets.every(({ changesBatches }) => changesBatches),
  };
}

/** Resolves when all have taken it. One that rejects keeps no other from it. */
async function consumeAll(targets: readonly FanOutTarget[], batch: ProfileBatch): Promise<void> {
  const owner = targets.every(({ changesBatches }) => changesBatches) ? targets.at(-1) : undefined;
  // All copies before the first consumer begins: it may change the original.
  const given = targets.map((target) =>
    target.changesBatches && target !== owner ? copyOf(batch) : batch,
  );
  const results = await Promise.allSettled(
    targets.map(({ consumer }, index) => consumer.consume(given[index] as ProfileBatch)),
  );
  const reasons = results
    .filter((result) => result.status === "rejected")
    .map((result) => result.reason as unknown);
  if (reasons.length > 0) throw oneError(reasons);
}

/** May be tried again only when every part of it may. */
function oneError(reasons: readonly unknown[]): unknown {
  const permanent = reasons.find(
    (reason) => !isCollectorError(reason, "UNAVAILABLE_RETRYABLE", "REFUSED_BACKPRESSURE"),
  );
  const [first] = reasons;
  if (reasons.length === 1) return first;
  const worst = permanent ?? first;
  const code = isCollectorError(worst) ? worst.code : "INTERNAL";
  return new CollectorError(code, reasons.map(messageOf).join("; "), { cause: worst });
}

function copyOf(batch: ProfileBatch): ProfileBatch {
  const copy = new ProfileBatch();
  mergeInto(copy, batch);
  return copy;
}
