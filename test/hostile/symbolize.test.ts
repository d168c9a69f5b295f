import { describe, it } from "node:test";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { addressFiles } from "./address-files.ts";
import { damagedFiles } from "./damaged-files.ts";
import { depthFiles } from "./depth-files.ts";
import { entryFiles } from "./entry-files.ts";
import { lineFiles } from "./line-files.ts";
import { linkedFiles } from "./linked-files.ts";
import { nameFiles } from "./name-files.ts";
import { packedFiles } from "./packed-files.ts";
import { rangeFiles } from "./range-files.ts";
import { type SymbolizeCase, withIndex } from "./symbolize-case.ts";
import { assertSound, described, symbolize } from "./symbolize-run.ts";

const MANY =
  /units (?:around|of one)|of one (?:list|program)(?!.*often)|10 million rows|class of|of ends/;

const groups: Readonly<Record<string, readonly SymbolizeCase[]>> = {
  "units and entries": [...entryFiles, ...depthFiles],
  "lines and ranges": [...lineFiles, ...rangeFiles],
  // An index reads all of a file once: what is large, or read again and again, may cost more there.
  indexes: [...entryFiles, ...depthFiles, ...lineFiles, ...rangeFiles]
    .filter(({ name }) => MANY.test(name))
    .map(withIndex),
  "names and symbols": nameFiles,
  "compressed parts": packedFiles,
  "other files": linkedFiles,
  "real programs": damagedFiles,
  "maps, dumps and no files": addressFiles,
};

describe("symbolize and hostile files [S5]", () => {
  for (const [group, cases] of Object.entries(groups)) {
    describe(group, () => {
      for (const { name, write, addresses, check, skip = false } of cases) {
        it(name, { skip }, async (test) => {
          using folder = temporaryFolder();
          const flags = write(folder);
          const outcome = await symbolize(flags, addresses, folder.file("cache"));
          test.diagnostic(described(outcome));
          assertSound(outcome, addresses);
          if (outcome.code === 0) await check?.(outcome);
        });
      }
    });
  }
});
