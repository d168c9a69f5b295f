import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "./package-root.ts";

export const PROGRAM_NAME = "obsforge";

let version: string | undefined;

/** The version in package.json, read once. */
export function programVersion(): string {
  version ??= readVersion();
  return version;
}

function readVersion(): string {
  const manifest = readFileSync(join(packageRoot(), "package.json"), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}
