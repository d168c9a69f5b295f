/**
 * Build ids that may become a part of a path or a URL: 4 to 32 bytes in hex. Linkers make 8, 16
 * and 20; SHA-256 has 32. Whatever else a file claims is never looked up.
 */
const BUILD_ID = /^(?:[0-9a-f]{2}){4,32}$/;

export function isBuildId(text: string): boolean {
  return BUILD_ID.test(text);
}
