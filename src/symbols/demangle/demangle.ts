import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { withMemoryLimit } from "./bounded-wasm.ts";

/** Characters of a symbol that are tried; the longest of a large C++ program has 13,000. */
export const MANGLED_LENGTH_MAX: number = 16 * 1024;
/** A longer result is refused: back references can make gigabytes out of 200 characters. */
export const DEMANGLED_LENGTH_MAX: number = 16 * 1024;
/** 8 MiB, where a name that multiplies itself ends after some 20 ms. */
const MEMORY_PAGES_MAX = 128;
/** Names of one of the cache's two generations, and the characters that they may have. */
const CACHE_NAMES_MAX = 16_384;
const CACHE_LENGTH_MAX: number = 4 * 1024 * 1024;

const MANGLED = /^(?:__?Z|_R)/;
/** What GCC and LLVM put behind the name of a part or a copy of a function. */
const CLONE_SUFFIX =
  /(?:\.(?:cold|isra|constprop|part|llvm|lto_priv|localalias|clone|specialized|warm)(?:\.\d+)*|\.\d+)+$/;
/** The version that a linker puts behind the name of a dynamic symbol. */
const VERSION_SUFFIX = /^([\w.$]+)@@?[\w.]+$/;

/** The JavaScript half of the package, which holds the instance in a variable of its own. */
interface Bindings {
  __wbg_set_wasm(exports: object): void;
  demangle_any(name: string): string;
}

/** What is used of it; the compiler knows it only together with a browser's globals. */
interface WebAssemblyApi {
  compile(module: Uint8Array): Promise<object>;
  readonly Instance: new (
    module: object,
    imports: object,
  ) => { readonly exports: { readonly [name: string]: unknown } };
}

const { WebAssembly } = globalThis as unknown as { readonly WebAssembly: WebAssemblyApi };

let bindings: Bindings | undefined;
let module: object | undefined;
let recent = new Map<string, string>();
let older = new Map<string, string>();
let recentLength = 0;

/** Makes `demangle` ready in this thread. Until then it returns every symbol as it is. */
export async function loadDemangler(): Promise<void> {
  if (bindings !== undefined) return;
  const { resolve } = createRequire(import.meta.url);
  const wasm = readFileSync(resolve("gecko-profiler-demangle/index_bg.wasm"));
  module = await WebAssembly.compile(withMemoryLimit(wasm, MEMORY_PAGES_MAX));
  const bindingsUrl = pathToFileURL(resolve("gecko-profiler-demangle/index_bg.js"));
  const loaded: Bindings = await import(bindingsUrl.href);
  instantiate(loaded);
  bindings = loaded;
}

/** True for a symbol that `demangle` can do something with beyond a suffix. */
export function isMangled(symbol: string): boolean {
  return MANGLED.test(symbol);
}

/**
 * What people read for a C++ or Rust symbol, with its parameters and without the suffixes of
 * copies and versions; the symbol as it is when it is not mangled or cannot be demangled.
 */
export function demangle(symbol: string): string {
  const name = VERSION_SUFFIX.exec(symbol)?.[1] ?? symbol;
  if (!MANGLED.test(name) || name.length > MANGLED_LENGTH_MAX || bindings === undefined) {
    return name;
  }
  const known = recent.get(name) ?? older.get(name);
  if (known !== undefined) return known;
  const readable = demangleMangled(bindings, name.replace(CLONE_SUFFIX, "")) ?? name;
  remember(name, readable);
  return readable;
}

function demangleMangled(loaded: Bindings, mangled: string): string | undefined {
  let result: string;
  try {
    result = loaded.demangle_any(mangled);
  } catch {
    // It ran out of memory or of stack; an instance that trapped is not used again.
    instantiate(loaded);
    return undefined;
  }
  // On failure the library gives the symbol back, or cuts its first character.
  const failed = result === mangled || result === mangled.slice(1) || result === "";
  return failed || result.length > DEMANGLED_LENGTH_MAX ? undefined : result;
}

function instantiate(loaded: Bindings): void {
  if (module === undefined) return;
  const { exports } = new WebAssembly.Instance(module, { "./index_bg.js": loaded });
  loaded.__wbg_set_wasm(exports);
  (exports["__wbindgen_start"] as () => void)();
}

/** Two generations: what is not asked for while one fills goes with the next. */
function remember(name: string, readable: string): void {
  recentLength += name.length + readable.length;
  if (recent.size >= CACHE_NAMES_MAX || recentLength > CACHE_LENGTH_MAX) {
    older = recent;
    recent = new Map();
    recentLength = name.length + readable.length;
  }
  recent.set(name, readable);
}
