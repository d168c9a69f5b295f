import type { PackedRule } from "./unwind-rows.ts";

/** A rule and the address where it begins to hold. */
export interface PlacedRule extends PackedRule {
  readonly address: number;
}
