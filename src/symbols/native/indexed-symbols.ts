import { isMangled, loadDemangler } from "../demangle/demangle.ts";
import type { ElfFile } from "../elf/elf-file.ts";
import type { OpenedIndex } from "../index/index-cache.ts";
import type { IndexedFrames } from "../index/symbol-index.ts";
import { FileSymbols, type FoundFrames, type NamingOptions } from "./file-symbols.ts";
import { frameOf, type NamedPlace } from "./named-place.ts";

/** Names addresses of one open file by its index, which says the same as FileSymbols. */
export class IndexedSymbols implements Disposable {
  readonly hasDebugInfo = true;
  readonly readsDebugInfo = false;
  readonly #opened: OpenedIndex;
  readonly #elf: ElfFile;
  #others: FileSymbols | undefined;

  constructor(opened: OpenedIndex, elf: ElfFile) {
    this.#opened = opened;
    this.#elf = elf;
  }

  /**
   * As FileSymbols does.
   *
   * @throws INPUT_MALFORMED, LIMIT_EXCEEDED  the index or a symbol table is broken
   */
  async find(addresses: ArrayLike<bigint>, options: NamingOptions): Promise<FoundFrames[]> {
    const { index } = this.#opened;
    const indexed = Array.from(addresses, (address) => index.framesAt(Number(address)));
    const places = indexed.flatMap((one) => one.places);
    if (options.demangle && places.some(({ systemName }) => isMangled(systemName))) {
      await loadDemangler();
    }
    const left = Array.from(addresses).filter((_, at) => indexed[at]?.places.length === 0);
    const others = left.length === 0 ? [] : await this.#findOthers(left, options);
    let next = 0;
    return indexed.map((one) => {
      if (one.places.length === 0) return others[next++] as FoundFrames;
      return framesOf(one, options);
    });
  }

  [Symbol.dispose](): void {
    this.#opened[Symbol.dispose]();
  }

  /** What symbols and debug information leave without a name: stubs. */
  async #findOthers(addresses: readonly bigint[], options: NamingOptions): Promise<FoundFrames[]> {
    this.#others ??= await FileSymbols.open({ elf: this.#elf, lines: false });
    return this.#others.find(addresses, options);
  }
}

function framesOf({ places, low, high }: IndexedFrames, options: NamingOptions): FoundFrames {
  const shown = options.inlines ? places : [withoutInlines(places)];
  return { frames: shown.map((place) => frameOf(place, options.demangle)), low, high };
}

/** The whole function, at the line of what was inlined. */
function withoutInlines(places: readonly NamedPlace[]): NamedPlace {
  const { file, line, column } = places[0] as NamedPlace;
  const { systemName, readableName } = places.at(-1) as NamedPlace;
  return { systemName, readableName, file, line, column };
}
