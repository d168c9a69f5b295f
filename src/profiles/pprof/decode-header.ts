/** Mappings of one file; a process of a large browser has some thousand. */
export const MAPPINGS_MAX: number = 1 << 20;
/** Value columns of one file; the widest known writer has eight. */
export const COLUMNS_MAX = 256;
/** Comments of one file; people write them. */
export const COMMENTS_MAX: number = 1 << 16;

/** Fields of the profile message itself; texts as string indices. */
export class PprofHeader {
  readonly sampleTypes: { type: number; unit: number }[] = [];
  periodType: { type: number; unit: number } = { type: 0, unit: 0 };
  period = 0;
  timeNanos = 0n;
  durationNanos = 0n;
  dropFrames = 0;
  keepFrames = 0;
  defaultSampleType = 0;
  docUrl = 0;
  readonly comments: number[] = [];
  /** Of the field that is ours, see notes.ts. */
  readonly notes: string[] = [];
}
