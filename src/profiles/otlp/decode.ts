import { isCollectorError, malformed } from "../../support/errors.ts";
import type { ProfileLimits } from "../../support/limits.ts";
import type { KeyValue } from "../attribute-value.ts";
import {
  type Profile,
  ProfileBatch,
  type Resource,
  type ResourceProfiles,
  type Scope,
  type ScopeProfiles,
} from "../profile.ts";
import { pushKeyValue } from "./decode-attributes.ts";
import { decodeDictionary, type Range } from "./decode-dictionary.ts";
import { decodeProfile } from "./decode-profile.ts";
import * as field from "./fields.ts";
import { INPUT_NAME, OtlpInput } from "./input.ts";
import { oldLayoutOf, oldSampleLayoutOf } from "./old-layouts.ts";

/**
 * Reads OTLP profiles: ProfilesData, and ExportProfilesServiceRequest, which has the same
 * layout (opentelemetry-proto 1.10 and 1.11, profiles/v1development).
 *
 *   ProfilesData
 *     1  resource_profiles*   Resource, ScopeProfiles* (scope, Profile*)
 *     2  dictionary           the tables that everything else refers to by index
 *
 * The dictionary usually comes last, so the top level is walked first and read after. What
 * comes out is whole: every index is in range, row 0 of every table is its zero value, the
 * samples of a profile share one shape, and no number was rounded. Unknown fields are ignored
 * and Resource.entity_refs is dropped; all else is carried.
 *
 * @param bytes   the message, inflated; nothing of it is kept
 * @param limits  all but `wireBytesMax`, which concerns the bytes before they are inflated
 * @throws INPUT_MALFORMED with the offset; names the sender's version for a layout before 1.10
 * @throws LIMIT_EXCEEDED
 */
export function decodeOtlp(bytes: Uint8Array, limits: ProfileLimits): ProfileBatch {
  const input = new OtlpInput(bytes, limits);
  let batch: ProfileBatch;
  try {
    batch = decodeProfilesData(input);
  } catch (error) {
    if (isCollectorError(error, "INPUT_MALFORMED")) refuseOldLayout(oldLayoutOf(bytes));
    throw error;
  }
  if (input.sampleCount > 0 && !input.hasPresentSample) refuseOldLayout(oldSampleLayoutOf(bytes));
  return batch;
}

/** The same for bytes whose layout is known to be the present one. */
export function decodePresentLayout(bytes: Uint8Array, limits: ProfileLimits): ProfileBatch {
  return decodeProfilesData(new OtlpInput(bytes, limits));
}

function refuseOldLayout(version: string | undefined): void {
  if (version === undefined) return;
  throw malformed(
    INPUT_NAME,
    `the message has the layout of opentelemetry-proto ${version}, which has the same package ` +
      `name and other fields; the sender must speak ${field.LAYOUT_SINCE} or newer`,
  );
}

function decodeProfilesData(input: OtlpInput): ProfileBatch {
  const { reader } = input;
  const resources: Range[] = [];
  const dictionaries: Range[] = [];
  while (reader.offset < reader.end) {
    const tag = reader.tag();
    if (tag === field.PROFILES_DATA_RESOURCE_PROFILES) {
      input.countOwner();
      resources.push(skippedRange(input));
    } else if (tag === field.PROFILES_DATA_DICTIONARY) {
      input.countOwner();
      dictionaries.push(skippedRange(input));
    } else input.skipUnknown(tag, "ProfilesData", 2);
  }
  const hasDictionary = decodeDictionary(input, dictionaries);
  const batch = new ProfileBatch(input.dictionary);
  for (const range of resources) {
    reader.offset = range.start;
    reader.end = range.end;
    batch.resourceProfiles.push(decodeResourceProfiles(input));
  }
  if (!hasDictionary && batch.profiles().next().done === false) {
    throw reader.error("the message has profiles and no dictionary");
  }
  return batch;
}

function skippedRange({ reader }: OtlpInput): Range {
  const outer = reader.enter();
  const range = { start: reader.offset, end: reader.end };
  reader.leave(outer);
  return range;
}

function decodeResourceProfiles(input: OtlpInput): ResourceProfiles {
  const { reader } = input;
  let resource: Resource = { attributes: [], droppedAttributesCount: 0 };
  let schemaUrl = "";
  const scopeProfiles: ScopeProfiles[] = [];
  while (reader.offset < reader.end) {
    const tag = reader.tag();
    switch (tag) {
      case field.RESOURCE_PROFILES_RESOURCE:
        resource = decodeResource(input, resource);
        break;
      case field.RESOURCE_PROFILES_SCOPE_PROFILES:
        input.countOwner();
        scopeProfiles.push(decodeScopeProfiles(input));
        break;
      case field.RESOURCE_PROFILES_SCHEMA_URL:
        schemaUrl = input.string("ResourceProfiles.schema_url");
        break;
      default:
        input.skipUnknown(tag, "ResourceProfiles", 3);
    }
  }
  return { resource, schemaUrl, scopeProfiles };
}

function decodeResource(input: OtlpInput, before: Resource): Resource {
  const { reader } = input;
  const outer = reader.enter();
  const attributes = before.attributes as KeyValue[];
  let { droppedAttributesCount } = before;
  while (reader.offset < reader.end) {
    const tag = reader.tag();
    switch (tag) {
      case field.RESOURCE_ATTRIBUTES:
        pushKeyValue(input, attributes);
        break;
      case field.RESOURCE_DROPPED_ATTRIBUTES_COUNT:
        droppedAttributesCount = reader.uint32();
        break;
      case field.RESOURCE_ENTITY_REFS:
        reader.skip(tag);
        break;
      default:
        input.skipUnknown(tag, "Resource", 3);
    }
  }
  reader.leave(outer);
  return { attributes, droppedAttributesCount };
}

function decodeScopeProfiles(input: OtlpInput): ScopeProfiles {
  const { reader } = input;
  const outer = reader.enter();
  let scope: Scope = { name: "", version: "", attributes: [], droppedAttributesCount: 0 };
  let schemaUrl = "";
  const profiles: Profile[] = [];
  while (reader.offset < reader.end) {
    const tag = reader.tag();
    switch (tag) {
      case field.SCOPE_PROFILES_SCOPE:
        scope = decodeScope(input, scope);
        break;
      case field.SCOPE_PROFILES_PROFILES:
        input.countOwner();
        profiles.push(decodeProfile(input));
        break;
      case field.SCOPE_PROFILES_SCHEMA_URL:
        schemaUrl = input.string("ScopeProfiles.schema_url");
        break;
      default:
        input.skipUnknown(tag, "ScopeProfiles", 3);
    }
  }
  reader.leave(outer);
  return { scope, schemaUrl, profiles };
}

function decodeScope(input: OtlpInput, before: Scope): Scope {
  const { reader } = input;
  const outer = reader.enter();
  const attributes = before.attributes as KeyValue[];
  let { name, version, droppedAttributesCount } = before;
  while (reader.offset < reader.end) {
    const tag = reader.tag();
    switch (tag) {
      case field.INSTRUMENTATION_SCOPE_NAME:
        name = input.string("InstrumentationScope.name");
        break;
      case field.INSTRUMENTATION_SCOPE_VERSION:
        version = input.string("InstrumentationScope.version");
        break;
      case field.INSTRUMENTATION_SCOPE_ATTRIBUTES:
        pushKeyValue(input, attributes);
        break;
      case field.INSTRUMENTATION_SCOPE_DROPPED_ATTRIBUTES_COUNT:
        droppedAttributesCount = reader.uint32();
        break;
      default:
        input.skipUnknown(tag, "InstrumentationScope", 4);
    }
  }
  reader.leave(outer);
  return { name, version, attributes, droppedAttributesCount };
}
