import type { ElfFile } from "../elf/elf-file.ts";
import { ET_REL } from "../elf/elf-file.ts";
import type { DwarfCursor } from "./dwarf-cursor.ts";

/** What linkers write where code was left out; see AddressSpace.isCode for those that write 0. */
export const NO_ADDRESS = -1;

/** Below this addresses are exact as numbers. */
const EXACT_MAX = 2n ** 53n;

/**
 * Addresses of a file as numbers, exact also for a kernel, which lies in the last 2 GiB of 2^64:
 * they are counted from `base`, which is 0 for a program.
 */
export class AddressSpace {
  readonly base: bigint;
  readonly #baseHigh: number;
  readonly #baseLow: number;
  /** Start and end of each executable segment, by turns. */
  readonly #code: readonly number[];

  constructor({ segments, type }: ElfFile) {
    const [lowest = 0n] = segments.map(({ address }) => address).sort((a, b) => (a < b ? -1 : 1));
    this.base = lowest >= EXACT_MAX ? lowest : 0n;
    this.#baseHigh = Number(this.base >> 32n);
    this.#baseLow = Number(this.base & 0xffff_ffffn);
    const code = type === ET_REL ? [] : segments.filter(({ executable }) => executable);
    this.#code = code.flatMap(({ address, memorySize }) => [
      Number(address - this.base),
      Number(address + memorySize - this.base),
    ]);
  }

  /** Reads an address of 1, 2, 4 or 8 bytes; NO_ADDRESS where it says that the code is gone. */
  read(cursor: DwarfCursor, addressBytes: number): number {
    if (addressBytes === 8) {
      const first = cursor.u32();
      const second = cursor.u32();
      return cursor.littleEndian ? this.#from(second, first) : this.#from(first, second);
    }
    if (addressBytes === 4) {
      const value = cursor.u32();
      return value >= 0xffff_fffe ? NO_ADDRESS : value;
    }
    return addressBytes === 2 ? cursor.u16() : cursor.u8();
  }

  /**
   * Whether code can be there. Linkers that write 0 for code that they left out, or 0 and what
   * was to be added, lead to where no code is.
   */
  isCode(address: number): boolean {
    const code = this.#code;
    if (code.length === 0) return address >= 0;
    for (let index = 0; index < code.length; index += 2) {
      if (address >= (code[index] as number) && address < (code[index + 1] as number)) return true;
    }
    return false;
  }

  #from(high: number, low: number): number {
    if (high === 0xffff_ffff && low >= 0xffff_fffe) return NO_ADDRESS;
    return (high - this.#baseHigh) * 2 ** 32 + (low - this.#baseLow);
  }
}
