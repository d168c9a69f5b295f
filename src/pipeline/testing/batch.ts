import { emptyProfile, ProfileBatch } from "../../profiles/profile.ts";

/** A batch of one profile with so many samples (rows), each of value 1. */
export function batchOfRows(rows: number): ProfileBatch {
  const batch = new ProfileBatch();
  const profile = emptyProfile();
  for (let row = 0; row < rows; row++) profile.samples.push(0, 0, 0, 1);
  const scope = { name: "", version: "", attributes: [], droppedAttributesCount: 0 };
  batch.resourceProfiles.push({
    resource: { attributes: [], droppedAttributesCount: 0 },
    schemaUrl: "",
    scopeProfiles: [{ scope, schemaUrl: "", profiles: [profile] }],
  });
  return batch;
}
