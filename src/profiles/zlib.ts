/** What is used of Node's zlib. */
export interface Zlib {
  readonly gunzipSync: (bytes: Uint8Array, options: { maxOutputLength: number }) => Uint8Array;
  readonly gzipSync: (bytes: Uint8Array) => Uint8Array;
}

/**
 * Node's zlib; undefined in a browser, where the caller inflates what a user drops on the page
 * before it is decoded. Not an import, so that the codecs can be bundled for a browser.
 */
export function nodeZlib(): Zlib | undefined {
  const { process } = globalThis as unknown as {
    process?: { getBuiltinModule?: (name: string) => unknown };
  };
  return process?.getBuiltinModule?.("node:zlib") as Zlib | undefined;
}
