import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { packageRoot } from "./package-root.ts";

it("packageRoot is the folder of this package's package.json", () => {
  const manifest = readFileSync(join(packageRoot(), "package.json"), "utf8");
  assert.match(manifest, /"name": "observability-forge"/);
});
