/**
 * The one file that knows ffi-rs: opens C libraries, calls their functions, views their memory.
 * `libc.ts` and `libbpf.ts` give the functions their names and types.
 *
 * Conventions, and the defects of ffi-rs that they avoid:
 * - A pointer is a JavaScript number in an I64 (user addresses are below 2^52); 0 is NULL.
 * - Memory is a Uint8Array, passed as it is: C writes into it in place. Keep a reference to
 *   it for as long as C may use it.
 * - A function that returns an int or a pointer returns it, or -errno: one convention for all.
 * - Nothing takes a callback and nothing runs in another thread.
 * - The table of symbols inside ffi-rs has no lock, and a worker that is the only one to load
 *   the module crashes at its end: the main thread opens a library, which resolves every symbol
 *   of it, before a worker may call one of them.
 * - A call costs 3 to 20 µs: few and large calls.
 */
import { isMainThread } from "node:worker_threads";
import { createExternalBuffer, DataType, load, open } from "ffi-rs";
import { messageOf } from "../support/errors.ts";

/** How a C function returns its result and its error. */
export type CReturn =
  /** An int that is a result or already -errno, as libbpf's functions do. */
  | "int"
  /** An int; -1 and errno when it fails. */
  | "int-errno"
  /** A long or a pointer; -1 and errno when it fails. */
  | "long-errno"
  /** A pointer; NULL and errno when it fails. */
  | "pointer-errno";

/** The type of an argument; taken from `arg` only. */
export type CArgument = DataType;

type ArgumentName = "bool" | "int" | "uint" | "long" | "pointer" | "string" | "memory";

/** The types of arguments, by the width that C gives them. */
export const arg: Readonly<Record<ArgumentName, CArgument>> = {
  bool: DataType.Boolean,
  int: DataType.I32,
  uint: DataType.U32,
  long: DataType.I64,
  pointer: DataType.I64,
  /** A string that is copied for the time of the call. */
  string: DataType.String,
  /** A Uint8Array whose first byte's address is passed. */
  memory: DataType.U8Array,
};

/**
 * Opens a shared library and resolves `names` in it. Does nothing in a worker: the main
 * thread did it before.
 *
 * @throws Error  the library or a function is missing
 */
export function openLibrary(library: string, path: string, names: readonly string[]): void {
  if (!isMainThread) return;
  open({ library, path });
  for (const funcName of names) resolveSymbol(library, funcName);
}

/** A call with the wrong number of arguments looks the symbol up, keeps it, and then throws. */
function resolveSymbol(library: string, funcName: string): void {
  try {
    load({ library, funcName, retType: DataType.I32, paramsType: [arg.int], paramsValue: [] });
  } catch (error) {
    if (!messageOf(error).startsWith("params_type")) throw error;
  }
}

/** Calls a function of an opened library. Returns its result or -errno. */
export function call(
  library: string,
  [funcName, returns]: readonly [name: string, returns: CReturn],
  paramsType: CArgument[],
  paramsValue: readonly (number | boolean | string | Uint8Array)[],
): number {
  const target = { library, funcName, paramsType, paramsValue: paramsValue as unknown[] };
  if (returns === "int") return load({ ...target, retType: DataType.I32 });
  // The width of the result has to be C's: the upper half of the register is garbage for an int.
  const retType = (returns === "int-errno" ? DataType.I32 : DataType.I64) as DataType.I64;
  const result = load<DataType.I64, true>({ ...target, retType, errno: true });
  const failure = returns === "pointer-errno" ? 0 : -1;
  return result.value === failure ? -result.errnoCode : result.value;
}

/** Calls a function without arguments that returns a string, never NULL. */
export function callString(library: string, funcName: string): string {
  return load({ library, funcName, retType: DataType.String, paramsType: [], paramsValue: [] });
}

const LIBC = "c";

openLibrary(LIBC, "libc.so.6", ["memcpy"]);

/** The address of `memory[0]`, for structs that hold pointers. */
export function addressOf(memory: Uint8Array): number {
  return load({
    library: LIBC,
    funcName: "memcpy",
    retType: DataType.I64,
    paramsType: [arg.memory, arg.pointer, arg.long],
    paramsValue: [memory, 0, 0],
  });
}

/**
 * A view of `byteLength` bytes at `address`, without a copy. Writing where the mapping is
 * read-only is fatal, and so is a look after the memory is gone: `forgetMemory` comes first.
 */
export function memoryAt(address: number, byteLength: number): Uint8Array<ArrayBuffer> {
  const external = load({
    library: LIBC,
    funcName: "memcpy",
    retType: DataType.External,
    paramsType: [arg.pointer, arg.pointer, arg.long],
    paramsValue: [address, 0, 0],
  });
  return createExternalBuffer(external, byteLength) as Uint8Array<ArrayBuffer>;
}

/** Makes every view of what `memoryAt` gave empty, so that a late look finds nothing. */
export function forgetMemory(memory: ArrayBuffer): void {
  memory.transfer(0);
}
