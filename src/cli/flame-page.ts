import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { deflateRaw } from "node:zlib";
import { EMBEDDED_PROFILE_TYPE, type FlameProfile } from "../profiles/flamegraph/columns.ts";
import { encodeFlameProfile } from "../profiles/flamegraph/encoding.ts";
import { CollectorError } from "../support/errors.ts";
import { packageRoot } from "../support/package-root.ts";

const deflated = promisify(deflateRaw);

/** Two thirds of the size of the fastest level, in twice its time. */
const DEFLATE_LEVEL = 6;

/**
 * A file of the built page, as page.js.
 *
 * @throws CollectorError NOT_FOUND  the page was not built
 */
export async function pageFile(name: string): Promise<string> {
  try {
    return await readFile(join(packageRoot(), "build/web", name), "utf8");
  } catch (cause) {
    throw new CollectorError(
      "NOT_FOUND",
      `the page of the flame graphs is not built (build/web/${name}): run make setup`,
      { cause },
    );
  }
}

/** A profile as a page takes it: the deflate-raw of its columns. */
export function pageBytes(profile: FlameProfile): Promise<Buffer> {
  return deflated(encodeFlameProfile(profile), { level: DEFLATE_LEVEL });
}

/** A profile, and what it is called where there are several. */
export interface NamedProfile {
  readonly name: string;
  readonly profile: FlameProfile;
}

/**
 * One file that shows a profile, or two as a difference, and asks no network for anything: its
 * policy allows just the script and the style that are in it, by their hashes.
 *
 * @param profiles  one, or before and after
 */
export async function flameHtml(title: string, profiles: readonly NamedProfile[]): Promise<string> {
  const script = inElement(await pageFile("page.js"));
  const style = await pageFile("page.css");
  const data = await Promise.all(
    profiles.map(async ({ name, profile }) => {
      const head = `<script type="${EMBEDDED_PROFILE_TYPE}" data-name="${escapedHtml(name)}">`;
      const base64 = (await pageBytes(profile)).toString("base64");
      return `${head}${base64}</script>`;
    }),
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${filePolicy(script, style)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${escapedHtml(title)}</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<div id="app"></div>
${data.join("\n")}
<script>${script}</script>
</body>
</html>
`;
}

function filePolicy(script: string, style: string): string {
  return [
    "default-src 'none'",
    `script-src '${hashOf(script)}'`,
    `style-src '${hashOf(style)}'`,
    // The worker stands in the script as text; a picture of the graph is made as a blob.
    "worker-src blob:",
    "img-src data: blob:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
}

function hashOf(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}

/** No end tag and no comment within a script that stands in HTML. */
function inElement(script: string): string {
  return script.replaceAll(/<\/(?=script)/gi, "<\\/").replaceAll("<!--", "<\\!--");
}

/** As text and as the value of a quoted attribute. */
export function escapedHtml(text: string): string {
  return text
    .toWellFormed()
    .replaceAll("\0", "\ufffd")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}
