/** The functions of the C library and the system calls that are used, 1:1. */
import { arg, call, openLibrary } from "./ffi.ts";

const LIBC = "c";

openLibrary(LIBC, "libc.so.6", ["close", "getpagesize", "ioctl", "mmap", "munmap", "syscall"]);

/** System call numbers that differ between the two architectures. */
const SYSCALL =
  process.arch === "arm64"
    ? {
        bpf: 280,
        perfEventOpen: 241,
        openat2: 437,
        setgroups: 159,
        getgroups: 158,
        setfsuid: 151,
        setfsgid: 152,
      }
    : {
        bpf: 321,
        perfEventOpen: 298,
        openat2: 437,
        setgroups: 116,
        getgroups: 115,
        setfsuid: 122,
        setfsgid: 123,
      };

/** The size of a page of memory: 4096 on x86-64; 4096, 16384 or 65536 on arm64. */
export function pageSize(): number {
  return call(LIBC, ["getpagesize", "int"], [], []);
}

export const PROT_READ = 1;
export const PROT_WRITE = 2;

/** Maps `byteLength` bytes of a file shared with it. Returns the address or -errno. */
export function mmapShared(fd: number, byteLength: number, protection: number, offset = 0): number {
  const MAP_SHARED = 1;
  return call(
    LIBC,
    ["mmap", "long-errno"],
    [arg.long, arg.long, arg.int, arg.int, arg.int, arg.long],
    [0, byteLength, protection, MAP_SHARED, fd, offset],
  );
}

export function munmap(address: number, byteLength: number): number {
  return call(LIBC, ["munmap", "int-errno"], [arg.long, arg.long], [address, byteLength]);
}

export function close(fd: number): number {
  return call(LIBC, ["close", "int-errno"], [arg.int], [fd]);
}

/** Returns the result or -errno. */
export function ioctl(fd: number, request: number, argument: number): number {
  return call(LIBC, ["ioctl", "int-errno"], [arg.int, arg.long, arg.long], [fd, request, argument]);
}

/** An ioctl on a struct, which it may change. Returns the result or -errno. */
export function ioctlMemory(fd: number, request: number, argument: Uint8Array): number {
  return call(
    LIBC,
    ["ioctl", "int-errno"],
    [arg.int, arg.long, arg.memory],
    [fd, request, argument],
  );
}

const PERF_FLAG_FD_CLOEXEC = 8;

/** perf_event_open(2) without a group, close-on-exec. Returns the fd or -errno. */
export function perfEventOpen(attributes: Uint8Array, pid: number, cpu: number): number {
  return call(
    LIBC,
    ["syscall", "long-errno"],
    [arg.long, arg.memory, arg.int, arg.int, arg.int, arg.long],
    [SYSCALL.perfEventOpen, attributes, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC],
  );
}

/** bpf(2) for what libbpf 1.1 has no function for. Returns the result or -errno. */
export function bpfSyscall(command: number, attributes: Uint8Array): number {
  return call(
    LIBC,
    ["syscall", "long-errno"],
    [arg.long, arg.int, arg.memory, arg.int],
    [SYSCALL.bpf, command, attributes, attributes.byteLength],
  );
}

/** openat2(2). `how` is a struct open_how. Returns the fd or -errno. */
export function openat2(directoryFd: number, path: string, how: Uint8Array): number {
  return call(
    LIBC,
    ["syscall", "long-errno"],
    [arg.long, arg.int, arg.string, arg.memory, arg.long],
    [SYSCALL.openat2, directoryFd, path, how, how.byteLength],
  );
}

/** setfsuid(2), of this thread. Returns the user before. */
export function setfsuid(uid: number): number {
  return call(LIBC, ["syscall", "long-errno"], [arg.long, arg.long], [SYSCALL.setfsuid, uid]);
}

/** setfsgid(2), of this thread. Returns the group before. */
export function setfsgid(gid: number): number {
  return call(LIBC, ["syscall", "long-errno"], [arg.long, arg.long], [SYSCALL.setfsgid, gid]);
}

/** getgroups(2), of this thread; Node's own function adds the effective one. */
export function getgroups(): number[] | undefined {
  const ask = (size: number, list: Uint8Array): number =>
    call(
      LIBC,
      ["syscall", "long-errno"],
      [arg.long, arg.long, arg.memory],
      [SYSCALL.getgroups, size, list],
    );
  const count = ask(0, new Uint8Array(4));
  if (count < 0) return undefined;
  const list = new Uint32Array(Math.max(count, 1));
  return ask(count, new Uint8Array(list.buffer)) === count
    ? [...list.subarray(0, count)]
    : undefined;
}

/** setgroups(2), of this thread: the C library's function would change all. Returns 0 or -errno. */
export function setgroups(groups: readonly number[]): number {
  const list = new Uint8Array(Uint32Array.from(groups).buffer);
  return call(
    LIBC,
    ["syscall", "long-errno"],
    [arg.long, arg.long, arg.memory],
    [SYSCALL.setgroups, groups.length, list.length > 0 ? list : new Uint8Array(4)],
  );
}
