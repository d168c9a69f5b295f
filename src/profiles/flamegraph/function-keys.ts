import type { FlameProfile } from "./columns.ts";

/**
 * What makes two frames of one caller the same node: their function, told by name and file. A
 * key's number is its place among all sorted by name and file; keys that no frame has, as the
 * root's, follow in the order they are given.
 */
export interface FunctionKeys {
  readonly names: readonly string[];
  readonly files: readonly string[];
  readonly count: number;
  /** Of each key its index in `names` and in `files`. */
  readonly name: Uint32Array;
  readonly file: Uint32Array;
  readonly ofFrame: Uint32Array;
  /** The key of the first of the added names. */
  readonly firstAdded: number;
  readonly frames: FlameProfile["frames"];
}

/** Stands for the frame of a node that has none; larger than any. */
export const NO_FRAME: number = 2 ** 32 - 1;

/** @param added  names that get a key without a frame */
export function functionKeysOf(profile: FlameProfile, added: readonly string[]): FunctionKeys {
  const { frames, files } = profile;
  const frameCount = frames.name.length;
  const ofFrame = new Uint32Array(frameCount);
  const name = new Uint32Array(frameCount + added.length);
  const file = new Uint32Array(frameCount + added.length);
  let count = 0;
  for (let frame = 0; frame < frameCount; frame++) {
    const isNew =
      frame === 0 ||
      frames.name[frame] !== frames.name[frame - 1] ||
      frames.file[frame] !== frames.file[frame - 1];
    if (isNew) {
      name[count] = frames.name[frame] as number;
      file[count++] = frames.file[frame] as number;
    }
    ofFrame[frame] = count - 1;
  }
  const firstAdded = count;
  for (let at = 0; at < added.length; at++) name[count++] = profile.names.length + at;
  const names = [...profile.names, ...added];
  return { names, files, count, name, file, ofFrame, firstAdded, frames };
}
