import { type ExecutableFile, isMissing, type Missing } from "./executable-file.ts";
import type { FileReader } from "./file-reader.ts";
import type { DebugFileFinder } from "./native/opened-symbols.ts";
import type { FoundDebugFile } from "./sources/debug-file.ts";
import type {
  DebugFileRole,
  DebugFileWanted,
  SentDebugFile,
  SentDebugFiles,
  SentFile,
  WorkerAnswers,
  WorkerRequest,
} from "./worker-protocol.ts";

/** A debug file, a dwz file and a package. */
const DEBUG_FILES_MAX = 3;

/** Questions that may need other files than the one that they are about. */
type DebugQuestion = "symbolize" | "build-index";

/**
 * Asks about a file, looks for the other files that the worker wants, and asks again.
 *
 * @param requestFor  the question, with what was found so far; undefined when nobody looks
 * @param finder  when not given, nobody looks
 */
export async function askWithDebugFiles<Kind extends DebugQuestion>(
  reader: FileReader,
  file: ExecutableFile,
  requestFor: (
    sent: SentFile,
    debugFiles: SentDebugFiles | undefined,
  ) => WorkerRequest & { kind: Kind },
  finder: (() => Promise<DebugFileFinder>) | undefined,
): Promise<Exclude<WorkerAnswers[Kind], DebugFileWanted> | Missing> {
  using debugFiles = new FoundDebugFiles(file);
  const subject = `debug information of ${file.key}`;
  for (let looks = 0; ; looks++) {
    const isLast = looks >= DEBUG_FILES_MAX;
    const found = finder === undefined ? undefined : debugFiles.sent;
    const answer = await reader.askAboutFile<Kind>(file, (sent) => requestFor(sent, found), {
      subject,
    });
    if (!isWanted(answer)) return answer as Exclude<typeof answer, DebugFileWanted>;
    if (finder === undefined || isLast) return { missing: "its debug files lead on and on" };
    await debugFiles.look(answer, await finder());
  }
}

function isWanted(answer: WorkerAnswers[DebugQuestion]): answer is DebugFileWanted {
  return "role" in answer;
}

/** What was found for one question, held open until its answer. */
class FoundDebugFiles implements Disposable {
  readonly sent: Partial<Record<DebugFileRole, SentDebugFile | null>> = {};
  readonly #file: ExecutableFile;
  readonly #held: FoundDebugFile[] = [];
  /** Of the file whose links are followed. */
  #path: string | undefined;

  constructor(file: ExecutableFile) {
    this.#file = file;
    this.#path = file.path;
  }

  async look(wanted: DebugFileWanted, finder: DebugFileFinder): Promise<void> {
    const { role, buildId, debugLink, altLink } = wanted;
    const kind = role === "debug" ? "debuginfo" : role;
    const { root, path } = this.#file;
    const found = await finder.find({
      kind,
      buildId,
      root,
      path: role === "supplementary" ? this.#path : path,
      debugLink,
      altLink,
    });
    if (isMissing(found)) {
      this.sent[role] = null;
      return;
    }
    this.#held.push(found);
    if (role === "debug") this.#path = found.path;
    this.sent[role] = { name: found.path, fd: found.fd };
  }

  [Symbol.dispose](): void {
    for (const file of this.#held) file[Symbol.dispose]();
  }
}
