/**
 * Builds web/ into build/web:
 *
 *   page.js, page.css   the page with the graph and its worker in it: one classic script, so that
 *                       a single HTML file can carry it
 *   decoders.js         reads the files of other tools; a worker that the served page loads when a
 *                       file is opened
 *   flamegraph.js       the graph alone, as a module for others, and its types in types/
 *   index.html          the page that `obsforge view` serves
 *
 *     node web/build.ts
 */
import { execFileSync } from "node:child_process";
import { copyFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { build, type InlineConfig } from "vite";

const root = import.meta.dirname;
const built = join(root, "../build/web");
/** Built beside, so that whoever serves the old page meanwhile finds all of it. */
const outDir = `${built}.new`;

/** A bundle of one entry, as one file. */
function bundle(entry: string, name: string, format: "es" | "iife"): InlineConfig {
  return {
    root,
    configFile: false,
    publicDir: false,
    logLevel: "warn",
    define: { "process.env.NODE_ENV": JSON.stringify("production") },
    oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
    worker: { format: "iife" },
    build: {
      outDir,
      emptyOutDir: false,
      target: "es2024",
      minify: true,
      lib: { entry, formats: [format], name: "obsforge", fileName: () => `${name}.js` },
      rollupOptions: { output: { assetFileNames: `${name}[extname]` } },
    },
  };
}

await rm(outDir, { recursive: true, force: true });
await build(bundle("app/main.tsx", "page", "iife"));
await build(bundle("worker/decoders.ts", "decoders", "iife"));
await build(bundle("flamegraph/library.ts", "flamegraph", "es"));
const tsc = join(root, "../node_modules/.bin/tsc");
execFileSync(process.execPath, [tsc, "-p", join(root, "tsconfig.types.json")], {
  stdio: "inherit",
});
await copyFile(join(root, "index.html"), join(outDir, "index.html"));
await rm(built, { recursive: true, force: true });
await rename(outDir, built);
