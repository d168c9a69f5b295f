/**
 * Stands for node:zlib in the browser, where files are inflated before the decoders see them and
 * nothing is compressed by the encoders.
 */
function isNotHere(): never {
  throw new Error("the browser has no synchronous compression");
}

export const gunzipSync: () => never = isNotHere;
export const gzipSync: () => never = isNotHere;
