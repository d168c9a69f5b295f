import { type KeyValue, valueText } from "../../profiles/attribute-value.ts";
import { fittingText } from "../../profiles/lean-copy.ts";
import type { Resource } from "../../profiles/profile.ts";
import { processName } from "../../profiles/text/frames.ts";
import { CollectorError } from "../../support/errors.ts";
import type { PyroscopeConfig } from "./config.ts";
import { labelName } from "./profile-kind.ts";

export type Label = readonly [name: string, value: string];

/** Labels of one series, of strings among the labels of samples too, that Pyroscope takes. */
export const LABELS_MAX = 30;
/** Bytes of a value that it takes. */
export const LABEL_VALUE_BYTES_MAX = 2048;

/** Beside `__name__`. */
const EXTERNAL_LABELS_MAX = LABELS_MAX - 3;

/** Makes the labels of series from the attributes of resources. */
export class SeriesLabels {
  readonly #external: ReadonlyMap<string, string>;
  readonly #keys: readonly string[];
  readonly #onDropped: (count: number) => void;

  /**
   * @param onDropped  told of labels for which there was no room
   * @throws CollectorError CONFIG_INVALID  a label that Pyroscope would refuse
   */
  constructor(config: PyroscopeConfig, onDropped: (count: number) => void) {
    this.#external = checkedExternal(config.external_labels);
    this.#keys = config.resource_labels;
    this.#onDropped = onDropped;
  }

  /** All labels but `__name__`, sorted by name; at most LABELS_MAX with it. */
  of(resource: Resource): Label[] {
    const labels = new Map<string, string>([
      ["__delta__", "false"],
      ["service_name", serviceName(resource)],
      ...this.#external,
    ]);
    const values = valuesByKey(resource.attributes);
    let dropped = 0;
    for (const key of this.#keys) {
      const name = labelName(key);
      const value = values.get(key) ?? "";
      if (value === "" || name === "" || name.startsWith("__") || labels.has(name)) continue;
      if (labels.size < LABELS_MAX - 1) labels.set(name, value);
      else dropped++;
    }
    if (dropped > 0) this.#onDropped(dropped);
    return [...labels].sort(([a], [b]) => (a < b ? -1 : 1));
  }
}

function serviceName(resource: Resource): string {
  const named = valuesByKey(resource.attributes).get("service.name");
  return named || labelValue(processName(resource)) || "unknown_service";
}

function valuesByKey(attributes: readonly KeyValue[]): Map<string, string> {
  return new Map(attributes.map(({ key, value }) => [key, labelValue(valueText(value))]));
}

/** The value's beginning, as much of it as Pyroscope takes. */
export function labelValue(text: string): string {
  return fittingText(text, LABEL_VALUE_BYTES_MAX);
}

function checkedExternal(labels: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  if (labels.size > EXTERNAL_LABELS_MAX) {
    throw invalid("", `has ${labels.size} labels, and at most ${EXTERNAL_LABELS_MAX} are taken`);
  }
  const taken = new Map<string, string>();
  for (const [name, value] of labels) {
    if (labelName(name) !== name || name === "" || name.startsWith("__")) {
      throw invalid(`::${name}`, "must begin with a letter and hold letters, digits and _ only");
    }
    if (Buffer.byteLength(value) > LABEL_VALUE_BYTES_MAX) {
      throw invalid(`::${name}`, `is longer than ${LABEL_VALUE_BYTES_MAX} bytes`);
    }
    // An empty label is none.
    if (value !== "") taken.set(name, value);
  }
  return taken;
}

function invalid(place: string, what: string): CollectorError {
  return new CollectorError("CONFIG_INVALID", `external_labels${place} ${what}`);
}
