/**
 * The functions of libbpf that are used, 1:1 and in the order of its headers. Objects, programs,
 * maps and links are pointers, thus numbers. Each returns its result or -errno; `bpf.ts` is what
 * the program uses.
 */
import { CollectorError, messageOf } from "../support/errors.ts";
import { arg, call, callString, openLibrary } from "./ffi.ts";

const LIBBPF = "bpf";

const SYMBOLS = [
  "bpf_iter_create",
  "bpf_link__destroy",
  "bpf_link__fd",
  "bpf_map__fd",
  "bpf_map__set_initial_value",
  "bpf_map__set_max_entries",
  "bpf_map_create",
  "bpf_map_delete_batch",
  "bpf_map_delete_elem",
  "bpf_map_get_next_key",
  "bpf_map_lookup_elem",
  "bpf_map_update_batch",
  "bpf_map_update_elem",
  "bpf_obj_get_info_by_fd",
  "bpf_object__close",
  "bpf_object__find_map_by_name",
  "bpf_object__find_program_by_name",
  "bpf_object__load",
  "bpf_object__next_map",
  "bpf_object__open_file",
  "bpf_program__attach",
  "bpf_program__attach_iter",
  "bpf_program__attach_perf_event",
  "bpf_program__fd",
  "bpf_program__set_autoload",
  "libbpf_num_possible_cpus",
  "libbpf_set_print",
  "libbpf_version_string",
] as const;

let opened = false;

/**
 * Loads libbpf.so.1 and resolves what is used of it. Call it on the main thread before
 * anything else of libbpf; again it does nothing.
 *
 * @throws CollectorError UNSUPPORTED  the library is missing or too old; the message has the mend
 */
export function openLibbpf(): void {
  if (opened) return;
  try {
    openLibrary(LIBBPF, "libbpf.so.1", SYMBOLS);
  } catch (error) {
    throw new CollectorError(
      "UNSUPPORTED",
      `libbpf.so.1 cannot be used: ${messageOf(error)}. Install libbpf 1.1 or newer ` +
        `(Debian and Ubuntu: apt install libbpf1; Fedora: dnf install libbpf).`,
      { cause: error },
    );
  }
  // Its messages would go to our standard error; results and the kernel's log say the same.
  call(LIBBPF, ["libbpf_set_print", "int"], [arg.pointer], [0]);
  opened = true;
}

export function libbpfVersion(): string {
  return callString(LIBBPF, "libbpf_version_string");
}

export function numPossibleCpus(): number {
  return call(LIBBPF, ["libbpf_num_possible_cpus", "int"], [], []);
}

/** `options` is a struct bpf_object_open_opts. Returns the object or -errno. */
export function objectOpenFile(path: string, options: Uint8Array): number {
  return call(
    LIBBPF,
    ["bpf_object__open_file", "pointer-errno"],
    [arg.string, arg.memory],
    [path, options],
  );
}

export function objectLoad(object: number): number {
  return call(LIBBPF, ["bpf_object__load", "int"], [arg.pointer], [object]);
}

export function objectClose(object: number): void {
  call(LIBBPF, ["bpf_object__close", "int"], [arg.pointer], [object]);
}

export function objectFindProgram(object: number, name: string): number {
  return call(
    LIBBPF,
    ["bpf_object__find_program_by_name", "pointer-errno"],
    [arg.pointer, arg.string],
    [object, name],
  );
}

export function objectFindMap(object: number, name: string): number {
  return call(
    LIBBPF,
    ["bpf_object__find_map_by_name", "pointer-errno"],
    [arg.pointer, arg.string],
    [object, name],
  );
}

/** The map after `map`, the first one after 0; 0 or less after the last. */
export function objectNextMap(object: number, map: number): number {
  return call(
    LIBBPF,
    ["bpf_object__next_map", "pointer-errno"],
    [arg.pointer, arg.pointer],
    [object, map],
  );
}

export function programFd(program: number): number {
  return call(LIBBPF, ["bpf_program__fd", "int"], [arg.pointer], [program]);
}

export function programSetAutoload(program: number, autoload: boolean): number {
  return call(
    LIBBPF,
    ["bpf_program__set_autoload", "int"],
    [arg.pointer, arg.bool],
    [program, autoload],
  );
}

export function programAttach(program: number): number {
  return call(LIBBPF, ["bpf_program__attach", "pointer-errno"], [arg.pointer], [program]);
}

/** The link takes the fd over: destroying it closes the event too. */
export function programAttachPerfEvent(program: number, eventFd: number): number {
  return call(
    LIBBPF,
    ["bpf_program__attach_perf_event", "pointer-errno"],
    [arg.pointer, arg.int],
    [program, eventFd],
  );
}

/** `options` is a struct bpf_iter_attach_opts. */
export function programAttachIter(program: number, options: Uint8Array): number {
  return call(
    LIBBPF,
    ["bpf_program__attach_iter", "pointer-errno"],
    [arg.pointer, arg.memory],
    [program, options],
  );
}

export function iterCreate(linkFd: number): number {
  return call(LIBBPF, ["bpf_iter_create", "int"], [arg.int], [linkFd]);
}

export function linkFd(link: number): number {
  return call(LIBBPF, ["bpf_link__fd", "int"], [arg.pointer], [link]);
}

export function linkDestroy(link: number): number {
  return call(LIBBPF, ["bpf_link__destroy", "int"], [arg.pointer], [link]);
}

export function mapFd(map: number): number {
  return call(LIBBPF, ["bpf_map__fd", "int"], [arg.pointer], [map]);
}

export function mapSetMaxEntries(map: number, entries: number): number {
  return call(LIBBPF, ["bpf_map__set_max_entries", "int"], [arg.pointer, arg.uint], [map, entries]);
}

/** Only before the object is loaded; `value` has the exact size of the map's value. */
export function mapSetInitialValue(map: number, value: Uint8Array): number {
  return call(
    LIBBPF,
    ["bpf_map__set_initial_value", "int"],
    [arg.pointer, arg.memory, arg.long],
    [map, value, value.byteLength],
  );
}

/** For a per-CPU map `value` has room for each possible CPU, each padded to 8 bytes. */
export function mapLookup(fd: number, key: Uint8Array, value: Uint8Array): number {
  return call(
    LIBBPF,
    ["bpf_map_lookup_elem", "int"],
    [arg.int, arg.memory, arg.memory],
    [fd, key, value],
  );
}

/** `flags`: 0 BPF_ANY, 1 BPF_NOEXIST, 2 BPF_EXIST. */
export function mapUpdate(fd: number, key: Uint8Array, value: Uint8Array, flags: number): number {
  return call(
    LIBBPF,
    ["bpf_map_update_elem", "int"],
    [arg.int, arg.memory, arg.memory, arg.long],
    [fd, key, value, flags],
  );
}

export function mapDelete(fd: number, key: Uint8Array): number {
  return call(LIBBPF, ["bpf_map_delete_elem", "int"], [arg.int, arg.memory], [fd, key]);
}

/** The shape of a map that is made by hand. */
export interface MapShape {
  /** enum bpf_map_type. */
  readonly type: number;
  /** At most 15 bytes. */
  readonly name: string;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly entries: number;
}

/** `options` is a struct bpf_map_create_opts. Returns the map's fd, which the caller closes. */
export function mapCreate(shape: MapShape, options: Uint8Array): number {
  return call(
    LIBBPF,
    ["bpf_map_create", "int"],
    [arg.uint, arg.string, arg.uint, arg.uint, arg.uint, arg.memory],
    [shape.type, shape.name, shape.keyBytes, shape.valueBytes, shape.entries, options],
  );
}

/** Keys and values stand one after another; `count` is one word of 32 bits: how many, and were. */
export function mapUpdateBatch(
  fd: number,
  keys: Uint8Array,
  values: Uint8Array,
  count: Uint8Array,
): number {
  const NO_OPTIONS = 0;
  return call(
    LIBBPF,
    ["bpf_map_update_batch", "int"],
    [arg.int, arg.memory, arg.memory, arg.memory, arg.pointer],
    [fd, keys, values, count, NO_OPTIONS],
  );
}

/** As `mapUpdateBatch`, without values; ends at the first key that is not there. */
export function mapDeleteBatch(fd: number, keys: Uint8Array, count: Uint8Array): number {
  const NO_OPTIONS = 0;
  return call(
    LIBBPF,
    ["bpf_map_delete_batch", "int"],
    [arg.int, arg.memory, arg.memory, arg.pointer],
    [fd, keys, count, NO_OPTIONS],
  );
}

/** Writes the key after `key` into `next`; -ENOENT after the last. */
export function mapNextKey(fd: number, key: Uint8Array, next: Uint8Array): number {
  return call(
    LIBBPF,
    ["bpf_map_get_next_key", "int"],
    [arg.int, arg.memory, arg.memory],
    [fd, key, next],
  );
}

/** Fills `info`, the struct bpf_*_info of the fd's kind or the front of it. */
export function objectInfo(fd: number, info: Uint8Array): number {
  const length = new Uint8Array(Uint32Array.of(info.byteLength).buffer);
  return call(
    LIBBPF,
    ["bpf_obj_get_info_by_fd", "int"],
    [arg.int, arg.memory, arg.memory],
    [fd, info, length],
  );
}
