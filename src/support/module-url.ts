/**
 * The URL of a module beside the caller, for `new Worker(…)`: in a checkout modules end in
 * `.ts`, in the packed program in `.js`, and a URL in a string is not rewritten by the compiler.
 *
 * @param callerUrl  the caller's import.meta.url
 * @param name       the module's file name without its extension, as "./worker"
 */
export function moduleUrl(callerUrl: string, name: string): URL {
  const extension = callerUrl.endsWith(".ts") ? ".ts" : ".js";
  return new URL(`${name}${extension}`, callerUrl);
}
