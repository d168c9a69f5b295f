/**
 * Where stores of debug files keep each, by its build id.
 *
 *   {id}    the whole build id, lower-case hex
 *   {nn}    its first two digits
 *   {rest}  the others
 *   {file}  the name of the program or library without folders, in lower case
 */
import { basename } from "node:path";
import { CollectorError } from "../../support/errors.ts";
import { isBuildId } from "./build-id.ts";
import { buildIdOf, kindOf, type WantedDebugFile } from "./debug-file.ts";

/** Templates of the paths below the place of a store; a kind without one is not kept there. */
export interface Layout {
  readonly debuginfo?: string | undefined;
  readonly executable?: string | undefined;
}

export const layoutNames = [
  "build_id",
  "native",
  "debuginfod",
  "parca",
  "ssqp",
  "unified",
] as const;

export type LayoutName = (typeof layoutNames)[number];

export const layouts: Readonly<Record<LayoutName, Layout>> = {
  /** The debug directories of gdb and of distributions. */
  build_id: { debuginfo: ".build-id/{nn}/{rest}.debug", executable: ".build-id/{nn}/{rest}" },
  /** The same without its outer folder, as Sentry's `native` store. */
  native: { debuginfo: "{nn}/{rest}.debug", executable: "{nn}/{rest}" },
  debuginfod: { debuginfo: "buildid/{id}/debuginfo", executable: "buildid/{id}/executable" },
  /** Parca's bucket, and the cache of elfutils' debuginfod client. */
  parca: { debuginfo: "{id}/debuginfo", executable: "{id}/executable" },
  /** Microsoft's simple symbol query protocol. */
  ssqp: {
    debuginfo: "_.debug/elf-buildid-sym-{id}/_.debug",
    executable: "{file}/elf-buildid-{id}/{file}",
  },
  /** Sentry's unified layout. */
  unified: { debuginfo: "{nn}/{rest}/debuginfo", executable: "{nn}/{rest}/executable" },
};

/**
 * A template with the wanted file's id in it: a relative path without `..`. Undefined when such
 * a store cannot have the file, or not by what is known of it.
 */
export function pathInLayout(layout: Layout, wanted: WantedDebugFile): string | undefined {
  const kind = kindOf(wanted);
  const template = kind === "executable" ? layout.executable : layout.debuginfo;
  const id = buildIdOf(wanted);
  if (template === undefined || kind === "package" || kind === "split" || !isBuildId(id)) {
    return undefined;
  }
  const file = basename(wanted.path ?? "").toLowerCase();
  if (template.includes("{file}") && !isPlainName(file)) return undefined;
  const values: Record<string, string> = { id, nn: id.slice(0, 2), rest: id.slice(2), file };
  return template.replace(/\{(id|nn|rest|file)\}/g, (_, name: string) => values[name] ?? "");
}

/** A name that stays what it is in a path and in a URL. */
function isPlainName(name: string): boolean {
  return /^[\w.+-]{1,255}$/.test(name) && name !== "." && name !== "..";
}

/**
 * A layout of the user's own.
 *
 * @throws CollectorError CONFIG_INVALID  a template that has no build id in it, leads upwards or
 *   names what there is not
 */
export function checkedLayout(layout: Layout): Layout {
  for (const template of [layout.debuginfo, layout.executable]) {
    if (template !== undefined) checkTemplate(template);
  }
  return layout;
}

function checkTemplate(template: string): void {
  const fault = (what: string): CollectorError =>
    new CollectorError("CONFIG_INVALID", `the template ${template} ${what}`);
  const names = [...template.matchAll(/\{([^}]*)\}/g)].map(([, name = ""]) => name);
  const unknown = names.find((name) => !["id", "nn", "rest", "file"].includes(name));
  if (unknown !== undefined)
    throw fault(`has {${unknown}}, but there are {id}, {nn}, {rest}, {file}`);
  if (!names.includes("id") && !names.includes("rest"))
    throw fault("needs {id} or {nn} and {rest}");
  if (template.startsWith("/") || template.split("/").includes("..")) {
    throw fault("must be a path below the store");
  }
}
