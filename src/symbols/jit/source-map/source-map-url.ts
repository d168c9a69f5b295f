import { dirname, resolve } from "node:path";

/** Where the source map of a script is. */
export type SourceMapPlace =
  /** The text of the map itself. */
  | { readonly inline: string }
  /** As the process's root has it. */
  | { readonly path: string }
  /** Somewhere that is not asked, as a server; or it is broken. */
  | { readonly missing: string };

/** Any such comment; the last one of a script counts. */
const COMMENT = /(?:\/\/|\/\*)[#@][ \t]*sourceMappingURL=([^\s'"`*]*)/g;
const DATA_URL = /^data:[^,;]*(?:;charset=[^,;]*)?(;base64)?,/i;

/** What the last comment of a script says; undefined when there is none. */
export function sourceMapPlace(script: string, path: string): SourceMapPlace | undefined {
  const start = Math.max(
    script.lastIndexOf("//# sourceMappingURL="),
    script.lastIndexOf("//@ sourceMappingURL="),
    script.lastIndexOf("/*# sourceMappingURL="),
  );
  if (start < 0) return undefined;
  COMMENT.lastIndex = start;
  const url = COMMENT.exec(script)?.[1] ?? "";
  if (url === "") return undefined;
  if (/^data:/i.test(url)) return inlineMap(url);
  return fileOfUrl(url, path);
}

/** Where a bundler that writes no comment puts the map. */
export function sourceMapBeside(path: string): string {
  return `${path}.map`;
}

function inlineMap(url: string): SourceMapPlace {
  const head = DATA_URL.exec(url);
  if (head === null) return { missing: "its inline source map is broken" };
  const data = url.slice(head[0].length);
  if (head[1] !== undefined) return { inline: Buffer.from(data, "base64").toString("utf8") };
  try {
    return { inline: decodeURIComponent(data) };
  } catch {
    return { missing: "its inline source map is broken" };
  }
}

function fileOfUrl(url: string, path: string): SourceMapPlace {
  const isFile = url.startsWith("file://");
  if (!isFile && /^[a-z][a-z0-9+.-]*:/i.test(url)) {
    return { missing: `its source map is at a URL that is not asked: ${url.slice(0, 200)}` };
  }
  const [own = ""] = (isFile ? url.slice("file://".length) : url).split(/[?#]/);
  try {
    return { path: resolve(dirname(path), decodeURIComponent(own)) };
  } catch {
    return { missing: "the path of its source map is broken" };
  }
}
