/**
 * OTLP's attribute `profile.frame.type` has no field in pprof. It follows from the mapping for
 * most frames; a stack in which it does not has a label of the same key with the types of all
 * its locations, leaf first, equal neighbours counted:
 *
 *   kernel*2 native*5 cpython
 *
 * A type is percent-encoded where it holds other characters than letters, digits and `-_.`;
 * a location without a type is `-`.
 */
export const FRAME_TYPE = "profile.frame.type";

const NO_TYPE = "-";

/** The type of a frame that nothing else is said of; "" when the frame has no mapping. */
export function frameTypeOfMapping(hasMapping: boolean, filename: string): string {
  if (!hasMapping) return "";
  return isKernelMapping(filename) ? "kernel" : "native";
}

export function isKernelMapping(filename: string): boolean {
  return filename.startsWith("[kernel");
}

export function frameTypesText(types: readonly string[]): string {
  const runs: string[] = [];
  for (let start = 0; start < types.length; ) {
    let end = start + 1;
    while (types[end] === types[start]) end++;
    const type = encodeType(types[start] ?? "");
    runs.push(end - start > 1 ? `${type}*${end - start}` : type);
    start = end;
  }
  return runs.join(" ");
}

/** Neighbours of one type. */
export interface FrameTypeRun {
  readonly type: string;
  readonly count: number;
}

/** The runs of a text, leaf first; undefined when it is none or says more than `countMax`. */
export function parseFrameTypes(text: string, countMax: number): FrameTypeRun[] | undefined {
  const runs: FrameTypeRun[] = [];
  let total = 0;
  for (const run of text.split(" ")) {
    const found = /^([^*]+)(?:\*([0-9]{1,7}))?$/.exec(run);
    const count = found?.[2] === undefined ? 1 : Number(found[2]);
    const type = decodeType(found?.[1] ?? "");
    total += count;
    if (!found || type === undefined || count === 0 || total > countMax) return undefined;
    runs.push({ type, count });
  }
  return runs;
}

function encodeType(type: string): string {
  if (type === "") return NO_TYPE;
  if (type === NO_TYPE) return "%2D";
  return encodeURIComponent(type.toWellFormed()).replaceAll("*", "%2A");
}

function decodeType(text: string): string | undefined {
  if (text === NO_TYPE) return "";
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
