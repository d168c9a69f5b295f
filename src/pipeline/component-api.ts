import * as schema from "../config/schema.ts";
import { mergeInto } from "../profiles/merge.ts";
import { ProfileBatch } from "../profiles/profile.ts";
import { CollectorError } from "../support/errors.ts";
import type { ComponentDefinition } from "./component.ts";

/**
 * What a component from outside the program is built with. Its module exports
 * `component: (api: ComponentApi) => ComponentDefinition`, and imports only types from here, so
 * that it need not find the program's files.
 */
export interface ComponentApi {
  /** Builds the definition's `config`. */
  readonly schema: typeof schema;
  readonly ProfileBatch: typeof ProfileBatch;
  readonly mergeInto: typeof mergeInto;
  /** What `consume` and `start` reject with. */
  readonly CollectorError: typeof CollectorError;
}

export type ComponentFactory = (api: ComponentApi) => ComponentDefinition;

export const componentApi: ComponentApi = { schema, ProfileBatch, mergeInto, CollectorError };
