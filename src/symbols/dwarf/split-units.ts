import type { ElfFile } from "../elf/elf-file.ts";
import { type Contributions, DwarfFile, WHOLE_FILE } from "./dwarf-file.ts";
import { FunctionNames } from "./function-names.ts";
import { PackageIndex } from "./package-index.ts";
import { Unit } from "./unit.ts";
import { UnitStore } from "./unit-store.ts";

/** Files of split units that are open at once. */
const SPLIT_FILES_MAX = 4096;
/** Units of a .dwo file: one, and some for types. */
const UNITS_MAX = 65_536;

/** Where the units are that were split off. */
export interface SplitFiles {
  /** The .dwp file beside the program. */
  readonly package?: ElfFile | undefined;
  /** A .dwo file by what its skeleton calls it. */
  readonly splitFile?: ((wanted: WantedSplitFile) => ElfFile | undefined) | undefined;
}

export interface WantedSplitFile {
  readonly name: string;
  /** In which it was compiled; the name may be relative to it. */
  readonly compilationFolder: string | undefined;
}

export interface SplitUnit {
  readonly units: UnitStore;
  readonly index: number;
  readonly names: FunctionNames;
}

/** Finds the unit that was split off a skeleton. */
export class SplitUnits {
  readonly #files: SplitFiles;
  readonly #stores = new Map<string, Store | undefined>();
  #package: Store | undefined;
  #packageIndex: PackageIndex | undefined;

  constructor(files: SplitFiles) {
    this.#files = files;
  }

  /** Undefined for a unit that is whole, and for one whose other part is not to be had. */
  splitOf(skeleton: Unit): SplitUnit | undefined {
    const { root, header } = skeleton;
    const name = skeleton.text(root.dwoNameForm, root.dwoName);
    const dwoId = header.dwoId || root.dwoId;
    if (name === undefined || dwoId === "") return undefined;
    return this.#inPackage(skeleton, dwoId) ?? this.#inFile(skeleton, name, dwoId);
  }

  #inPackage(skeleton: Unit, dwoId: string): SplitUnit | undefined {
    const elf = this.#files.package;
    if (elf === undefined) return undefined;
    this.#package ??= new Store(elf, skeleton);
    this.#packageIndex ??= new PackageIndex(this.#package.units.file.elf);
    const row = this.#packageIndex.rowOf(dwoId);
    if (row === undefined) return undefined;
    const index = this.#package.units.file.unitAt(row.info);
    return index < 0 ? undefined : this.#package.split(skeleton, index, row);
  }

  #inFile(skeleton: Unit, name: string, dwoId: string): SplitUnit | undefined {
    const { root } = skeleton;
    const compilationFolder = skeleton.text(root.compDirForm, root.compDir);
    const key = `${compilationFolder}\0${name}`;
    if (!this.#stores.has(key)) {
      if (this.#stores.size >= SPLIT_FILES_MAX) return undefined;
      const elf = this.#files.splitFile?.({ name, compilationFolder });
      this.#stores.set(key, elf && new Store(elf, skeleton));
    }
    const store = this.#stores.get(key);
    if (store === undefined) return undefined;
    const index = store.unitOf(dwoId);
    return index === undefined ? undefined : store.split(skeleton, index, WHOLE_FILE);
  }
}

/** A file of units that were split off. */
class Store {
  readonly units: UnitStore;
  readonly #names: FunctionNames;
  #unitOfId: ReadonlyMap<string, number> | undefined;

  constructor(elf: ElfFile, skeleton: Unit) {
    const { space, work } = skeleton.file;
    this.units = new UnitStore(new DwarfFile(elf, { isSplit: true, space, work }));
    this.#names = new FunctionNames(this.units);
  }

  /** The first unit of an id. */
  unitOf(dwoId: string): number | undefined {
    this.#unitOfId ??= this.#readIds();
    return this.#unitOfId.get(dwoId);
  }

  /** Before DWARF 5 the id stands in the first entry. A unit that is broken has none. */
  #readIds(): ReadonlyMap<string, number> {
    const ids = new Map<string, number>();
    const { file } = this.units;
    const count = Math.min(UNITS_MAX, file.headers.length);
    for (let index = 0; index < count; index++) {
      try {
        const header = file.headers.at(index);
        const unit = new Unit(file, header);
        unit.release();
        const id = header.dwoId || unit.root.dwoId;
        if (id !== "" && !ids.has(id)) ids.set(id, index);
      } catch {
        // Others may be whole.
      }
    }
    return ids;
  }

  split(skeleton: Unit, index: number, contributions: Contributions): SplitUnit {
    const { file } = this.units;
    const header = file.headers.at(index);
    this.units.setUnit(index, new Unit(file, header, { skeleton, contributions }));
    return { units: this.units, index, names: this.#names };
  }
}
