import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { askWithDebugFiles } from "./debug-file-questions.ts";
import type { ExecutableFile } from "./executable-file.ts";
import type { FileReader } from "./file-reader.ts";
import type { DebugFileFinder } from "./native/opened-symbols.ts";
import type { FoundDebugFile } from "./sources/debug-file.ts";
import type { DebugFileRole, SentDebugFiles, SentFile, WorkerRequest } from "./worker-protocol.ts";

const FILE = { key: "a program", path: "/program", buildId: "ab" } as ExecutableFile;
const ANSWER = { bytes: 1 };
const FOUND = { path: "/found", fd: 1, [Symbol.dispose]() {} } as FoundDebugFile;

/** Who asks for one file after the other, and notes what it is sent. */
function readerThatWants(roles: readonly DebugFileRole[], sent: string[][]): FileReader {
  const askAboutFile = async (
    _: ExecutableFile,
    requestFor: (file: SentFile) => { readonly debugFiles: SentDebugFiles | undefined },
  ): Promise<unknown> => {
    const { debugFiles } = requestFor({} as SentFile);
    sent.push(Object.keys(debugFiles ?? { nobody: true }));
    const role = roles.find((one) => debugFiles !== undefined && debugFiles[one] === undefined);
    return role === undefined ? ANSWER : { role, buildId: "ab" };
  };
  return { askAboutFile } as unknown as FileReader;
}

describe("askWithDebugFiles", () => {
  const finder = async (): Promise<DebugFileFinder> => ({
    find: async () => FOUND,
  });
  const ask = (roles: readonly DebugFileRole[], sent: string[][]): Promise<unknown> =>
    askWithDebugFiles<"build-index">(
      readerThatWants(roles, sent),
      FILE,
      (file, debugFiles) =>
        ({ kind: "build-index", file, debugFiles }) as WorkerRequest & { kind: "build-index" },
      finder,
    );

  it("sends all that a program has, its debug file, a dwz file and a package", async () => {
    const sent: string[][] = [];
    assert.equal(await ask(["debug", "supplementary", "package"], sent), ANSWER);
    assert.deepEqual(sent.at(-1), ["debug", "supplementary", "package"]);
  });

  it("ends when more and more is wanted", async () => {
    const roles = ["debug", "supplementary", "package", "another"] as DebugFileRole[];
    assert.deepEqual(await ask(roles, []), { missing: "its debug files lead on and on" });
  });
});
