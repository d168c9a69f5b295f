import { limitExceeded } from "../../support/errors.ts";
import { VALUE_MAX } from "../../support/limits.ts";
import { keyValueKey } from "../attribute-value.ts";
import { Float64Column, Int32Column } from "../columns.ts";
import type { Profile, ProfileBatch, Resource } from "../profile.ts";
import { mixHash, RowIndex } from "../row-index.ts";
import type { ColumnPlan } from "./value-columns.ts";

/**
 * The samples of a whole batch as pprof has them: one row for each distinct stack, attribute
 * set, link and resource, with one value in each column. Equal rows are summed.
 */
export class SampleTable {
  readonly resource: Int32Column = new Int32Column();
  readonly stack: Int32Column = new Int32Column();
  readonly attributeSet: Int32Column = new Int32Column();
  readonly link: Int32Column = new Int32Column();
  /** Row after row, each as wide as there are columns. */
  readonly values: Float64Column = new Float64Column();
  /** The distinct resources, which `resource` indexes. */
  readonly resources: Resource[] = [];
  readonly width: number;
  readonly #index = new RowIndex();
  readonly #resourceRows = new Map<string, number>();

  constructor(batch: ProfileBatch, plan: ColumnPlan) {
    this.width = plan.columns.length;
    for (const { profile, resource } of batch.profiles()) {
      this.#addProfile(profile, this.#resourceRow(resource.resource), plan);
    }
  }

  get length(): number {
    return this.stack.length;
  }

  #addProfile(profile: Profile, resource: number, plan: ColumnPlan): void {
    const { samples } = profile;
    const column = plan.columnOf(profile);
    const scale = plan.derivedScale(profile);
    for (let sample = 0; sample < samples.length; sample++) {
      const row = this.#row(
        resource,
        samples.stack.at(sample),
        samples.attributeSet.at(sample),
        samples.link.at(sample),
      );
      const value = samples.value.at(sample);
      this.#add(row, column, value);
      if (scale > 0) this.#add(row, plan.derived, value * scale);
    }
  }

  #add(row: number, column: number, value: number): void {
    const at = row * this.width + column;
    const sum = this.values.at(at) + value;
    if (!Number.isSafeInteger(sum)) throw limitExceeded("pprof sample", "value", sum, VALUE_MAX);
    this.values.data[at] = sum;
  }

  #row(resource: number, stack: number, attributeSet: number, link: number): number {
    const hash = mixHash(mixHash(mixHash(mixHash(29, resource), stack), attributeSet), link);
    const found = this.#index.find(
      hash,
      (row) =>
        this.stack.at(row) === stack &&
        this.attributeSet.at(row) === attributeSet &&
        this.resource.at(row) === resource &&
        this.link.at(row) === link,
    );
    if (found >= 0) return found;
    this.resource.push(resource);
    this.stack.push(stack);
    this.attributeSet.push(attributeSet);
    this.link.push(link);
    for (let column = 0; column < this.width; column++) this.values.push(0);
    const row = this.length - 1;
    this.#index.add(hash, row);
    return row;
  }

  #resourceRow(resource: Resource): number {
    const key = resource.attributes.map(keyValueKey).sort().join("");
    return this.#resourceRows.getOrInsertComputed(key, () => this.resources.push(resource) - 1);
  }
}
