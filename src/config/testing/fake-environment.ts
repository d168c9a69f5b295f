import type { ConfigEnvironment } from "../environment.ts";

/** Variables, files and URLs from memory; remembers the warnings. */
export class FakeEnvironment implements ConfigEnvironment {
  readonly variables: Readonly<Record<string, string>>;
  readonly warnings: string[] = [];
  readonly #files: Readonly<Record<string, string>>;
  readonly #urls: Readonly<Record<string, string>>;

  constructor(given: {
    readonly files?: Readonly<Record<string, string>>;
    readonly variables?: Readonly<Record<string, string>>;
    readonly urls?: Readonly<Record<string, string>>;
  }) {
    this.variables = given.variables ?? {};
    this.#files = given.files ?? {};
    this.#urls = given.urls ?? {};
  }

  async readFile(path: string): Promise<string> {
    const text = this.#files[path];
    if (text === undefined) throw Object.assign(new Error(path), { code: "ENOENT" });
    return text;
  }

  async fetchText(url: string): Promise<string> {
    const text = this.#urls[url];
    if (text === undefined) throw new Error("the server answered 404");
    return text;
  }

  warn(message: string): void {
    this.warnings.push(message);
  }
}
