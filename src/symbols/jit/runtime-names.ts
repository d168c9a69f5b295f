/** What a runtime calls the code that it made, taken apart. */
export interface RuntimeName {
  /** What people read. */
  readonly name: string;
  /** As the runtime wrote it. */
  readonly systemName: string;
  readonly file?: string;
  /** From 1 on, as the column. */
  readonly line?: number;
  readonly column?: number;
  /** How far it was compiled, in the runtime's words: `*` of V8, `OptimizedTier1` of .NET. */
  readonly tier?: string;
}

/**
 * Kinds of V8's code that stand for a function of a script. How far it was compiled: `~` bytecode,
 * `^` Sparkplug, `+` Maglev, `*` TurboFan; before it `o` when it was entered in a loop, behind it
 * `'` when it holds for one context.
 */
const V8_SCRIPT = /^(?:JS|LazyCompile|Function|Script|Eval|BuiltInEval):(o?[*^+~]'?|)(.*)$/s;
/** Its name, its number, and which compiler made it. */
const V8_WASM =
  /^(?:JS|Function|Wasm):(.*)-(?:\d{1,10}|<anonymous>)-(liftoff|turbofan|interpreter)$/s;
/** What V8 14 prints of a regular expression; before it the pattern alone stood behind a colon. */
const V8_REGEXP = /^RegExp[.:]<? ?src: '(.*)' flags: '([a-z]*)'>?$/s;
/** The line, and mostly the column, at the end. */
const V8_LINE = /:(\d{1,9})(?::(\d{1,9}))?$/;
/** Where a file may begin: a path, a URL, a core module, or what stands for a script without one. */
const V8_FILE =
  /(?:^| )(?=\/|file:|node:|[A-Za-z]:[\\/]|\[(?:eval|stdin|worker eval)\]|evalmachine|<anonymous>)/g;
const PYTHON = /^py::(.*):([^:]*)$/s;
/** `int32 [Assembly] Namespace.Type::Method(arguments)[OptimizedTier1]`; types have no blanks behind. */
const DOTNET = /(?:^| )\[[^\][]+\] (?=\S)/;
const DOTNET_TIER = /\[([A-Za-z0-9-]+)\]$/;

/**
 * Takes the name of a perf map apart: of V8's JavaScript and WebAssembly, CPython and .NET. All
 * other names are whole by themselves, as those of a JVM, which have their types and arguments, and
 * those of V8's own code: `Builtin:`, `BytecodeHandler:`, `RegExp:` and its pattern.
 */
export function runtimeName(systemName: string): RuntimeName {
  const wasm = V8_WASM.exec(systemName);
  if (wasm !== null) return wasmName(systemName, wasm[1] ?? "", wasm[2] ?? "");
  const expression = V8_REGEXP.exec(systemName);
  if (expression !== null) {
    return { name: `RegExp:/${expression[1] ?? ""}/${expression[2] ?? ""}`, systemName };
  }
  const script = V8_SCRIPT.exec(systemName);
  if (script !== null) return v8Name(systemName, script[1] ?? "", script[2] ?? "");
  const python = PYTHON.exec(systemName);
  if (python !== null) return pythonName(systemName, python[1] ?? "", python[2] ?? "");
  const dotnet = systemName.includes("::") ? DOTNET.exec(systemName) : null;
  if (dotnet !== null) {
    return dotnetName(systemName, systemName.slice(dotnet.index + dotnet[0].length));
  }
  return { name: systemName, systemName };
}

function v8Name(systemName: string, tier: string, rest: string): RuntimeName {
  const place = V8_LINE.exec(rest);
  const [end = "", line, column] = place ?? [];
  const named = rest.slice(0, rest.length - end.length);
  const fileStart = place === null ? named.length : fileStartOf(named);
  const name = named.slice(0, Math.max(fileStart, 0)).trim();
  const file = named.slice(Math.max(fileStart, 0)).trim();
  return {
    name: name === "" ? anonymousName(systemName) : name,
    systemName,
    ...(file !== "" && { file: withoutScheme(file) }),
    ...(Number(line) > 0 && { line: Number(line) }),
    ...(Number(column) > 0 && { column: Number(column) }),
    ...(tier !== "" && { tier }),
  };
}

/** The last place: names have blanks and slashes in them more often than paths have both. */
function fileStartOf(named: string): number {
  let last = -1;
  for (const { index } of named.matchAll(V8_FILE)) last = index;
  return last < 0 ? named.lastIndexOf(" ") : last;
}

function anonymousName(systemName: string): string {
  return systemName.startsWith("Script:") ? "(script)" : "(anonymous)";
}

/** One without a name in its module is called by its number alone. */
function wasmName(systemName: string, name: string, tier: string): RuntimeName {
  return { name: name === "" ? "(anonymous)" : name, systemName, tier };
}

/** Whether it is V8's name of a function of a script. */
export function isV8Script(systemName: string): boolean {
  return V8_SCRIPT.test(systemName);
}

/** Whether it is V8's name of code that may have lines. */
export function isV8Code(systemName: string): boolean {
  return V8_SCRIPT.test(systemName) || V8_WASM.test(systemName);
}

/**
 * A module is named by its URL where a script is named by its path. What is behind its path only
 * tells instances of one file apart.
 */
export function withoutScheme(file: string): string {
  if (!file.startsWith("file://")) return file;
  const [path = ""] = file.slice("file://".length).split(/[?#]/);
  try {
    return decodeURIComponent(path);
  } catch {
    return file;
  }
}

function pythonName(systemName: string, name: string, file: string): RuntimeName {
  return { name, systemName, ...(file !== "" && { file }) };
}

function dotnetName(systemName: string, whole: string): RuntimeName {
  const tier = DOTNET_TIER.exec(whole);
  const name = tier === null ? whole : whole.slice(0, tier.index);
  return {
    name: name.replace("::", "."),
    systemName,
    ...(tier?.[1] !== undefined && { tier: tier[1] }),
  };
}
