import { systemClock } from "../../support/clock.ts";
import { silentLogger } from "../../support/logger.ts";
import { MetricRegistry } from "../../support/metrics.ts";
import type { ComponentContext } from "../component.ts";
import { SharedServices } from "../shared-services.ts";

/** What a component under test is given; quiet, with the real clock. */
export function testContext(given: Partial<ComponentContext> = {}): ComponentContext {
  return {
    id: "test",
    logger: silentLogger,
    clock: systemClock,
    metrics: new MetricRegistry().metrics(),
    shared: given.shared ?? new SharedServices(silentLogger),
    ...given,
  };
}
