import { demangle, isMangled } from "../demangle/demangle.ts";

export interface NamedSymbol {
  /** As it is stored. */
  readonly systemName: string;
  /** What is read in its place when it is not mangled. */
  readonly readableName: string;
}

/**
 * What GCC and LLVM put behind the name of a part or a copy of a C function. Copies are numbered:
 * `runtime.clone` is Go's.
 */
const CLONE_SUFFIX =
  /^([\w$]+)(?:\.(?:(?:isra|constprop|part|llvm|lto_priv|clone|specialized)(?:\.\d+)+|(?:cold|warm|localalias)(?:\.\d+)*))+$/;

/** What people read: without what tells copies of a function apart. */
export function displayName({ systemName, readableName }: NamedSymbol): string {
  if (isMangled(systemName)) return demangle(systemName);
  const name = demangle(readableName);
  return CLONE_SUFFIX.exec(name)?.[1] ?? name;
}
