import assert from "node:assert/strict";
import { join, sep } from "node:path";
import { describe, it } from "node:test";
import { importedFiles } from "../../../test/support/imported-files.ts";
import { codeDigest, DIGESTED_FOLDERS } from "./code-digest.ts";

describe("codeDigest", () => {
  it("is the same each time", () => {
    assert.deepEqual(codeDigest(), codeDigest());
  });

  for (const maker of ["native/index-file.ts", "cfi/table-cache.ts"]) {
    it(`covers all code that ${maker} runs`, () => {
      const files = importedFiles(join(import.meta.dirname, "..", maker));
      for (const path of files) {
        const isCovered = DIGESTED_FOLDERS.some((folder) => path.startsWith(folder + sep));
        assert.ok(isCovered, `${path} is in none of the folders`);
      }
      assert.ok(files.size > 20, `${files.size} files`);
    });
  }
});
