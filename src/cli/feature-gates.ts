import { CollectorError } from "../support/errors.ts";

interface FeatureGate {
  readonly id: string;
  readonly stage: string;
  readonly description: string;
}

/** The Collector's gates that mean something here. All are on, and none can be turned off. */
export const featureGates: readonly FeatureGate[] = [
  {
    id: "service.profilesSupport",
    stage: "Stable",
    description: "Pipelines of profiles; always on here.",
  },
];

/**
 * Takes the Collector's `--feature-gates`: `+id,-id,id`.
 *
 * @returns a sentence for each gate that has no effect
 * @throws CollectorError CONFIG_INVALID  a gate is turned off that is always on
 */
export function checkFeatureGates(text: string): string[] {
  const warnings: string[] = [];
  for (const gate of text.split(",").filter((part) => part !== "")) {
    const id = gate.replace(/^[+-]/, "");
    const isKnown = featureGates.some((known) => known.id === id);
    if (!isKnown) warnings.push(`--feature-gates: "${id}" is not known here and has no effect`);
    else if (gate.startsWith("-")) {
      throw new CollectorError("CONFIG_INVALID", `--feature-gates: ${id} cannot be turned off`);
    }
  }
  return warnings;
}

/** `featuregate`: all of them, or one, as the Collector prints them. */
export function featureGateText(id: string | undefined): string {
  const shown = featureGates.filter((gate) => id === undefined || gate.id === id);
  if (shown.length === 0) {
    throw new CollectorError("CONFIG_INVALID", `there is no feature gate "${id}"`);
  }
  const lines = shown.map(({ id: name, stage, description }) =>
    [name.padEnd(28), "true   ", stage.padEnd(8), description].join(" "),
  );
  const head = ["ID".padEnd(28), "Enabled", "Stage   ", "Description"].join(" ");
  return `${[head, ...lines].join("\n")}\n`;
}
