/**
 * The package, module or library that a function belongs to, as far as its name or its file
 * tells: what frames are coloured by. A guess by the conventions of each language.
 */
export function packageOf(name: string, file: string): string {
  return packageOfName(name) ?? packageOfFile(file) ?? "";
}

function packageOfName(name: string): string | undefined {
  // Java and .NET: all before Class.method, parted by dots, or in a JVM's own form by slashes.
  const dotted = /^((?:[a-z_][\w$]*\.)+)[A-Z][\w$]*\.[\w$<]/.exec(name);
  const slashed = /^((?:[a-z_][\w$]*\/)+)[A-Z][\w$]*\.[\w$<]/.exec(name);
  const java = dotted?.[1] ?? slashed?.[1];
  if (java !== undefined) return java.slice(0, -1).replaceAll("/", ".");
  // Go: everything up to the first dot after the last slash, as in net/http.(*conn).serve.
  const go = /^((?:[\w.~-]+\/)*[\w-]+)\.[\w(*]/.exec(name);
  if (go?.[1] !== undefined && !name.includes("::") && isGo(name, go[1])) return go[1];
  // C++ and Rust: the first namespace; what stands around it (templates, <T as X>) is no part.
  return /^(?:[\w ]*[ *&])?<?([A-Za-z_]\w*)::/.exec(name)?.[1];
}

function isGo(name: string, prefix: string): boolean {
  return prefix.includes("/") || /\.\(\*|\.func\d|\.[A-Za-z_]\w*$/.test(name);
}

function packageOfFile(file: string): string | undefined {
  if (file === "") return undefined;
  const module = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file);
  if (module?.[1] !== undefined) return module[1];
  const site = /\/(?:site|dist)-packages\/([^/]+)/.exec(file);
  if (site?.[1] !== undefined) return site[1].replace(/\.py$/, "");
  if (file.startsWith("node:")) return file;
  const slash = file.lastIndexOf("/");
  return slash > 0 ? file.slice(0, slash) : file;
}
