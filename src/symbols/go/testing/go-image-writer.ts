import type { PCLNTAB_MAGICS } from "../pclntab-place.ts";
import { stringsOf, WordWriter } from "./word-writer.ts";

/** The parts of a program, and how it says where they are. */
export interface GoImage {
  readonly version: keyof typeof PCLNTAB_MAGICS;
  readonly is64: boolean;
  readonly littleEndian: boolean;
  readonly module: "section" | "data" | "relocations" | "none";
  readonly textAddress: number;
  readonly textBytes: number;
  readonly table: Buffer;
  /** What functions' data counts from. */
  readonly trees: Buffer;
}

const IMAGE_ADDRESS = 0x40_0000;
/** The text is behind it. */
const IMAGE_HEADER_BYTES = 0x1000;
const WORDS_OF_MODULE = 48;
const GOFUNC_OFFSET = 16;
const SECTION_ALIGNMENT = 16;

/** The address of the first byte of `trees`, behind so many bytes of text. */
export function treesAddress(textBytes: number): number {
  return IMAGE_ADDRESS + aligned(IMAGE_HEADER_BYTES + textBytes) + GOFUNC_OFFSET;
}

function aligned(place: number): number {
  return Math.ceil(place / SECTION_ALIGNMENT) * SECTION_ALIGNMENT;
}

interface ImageSection {
  readonly name: string;
  readonly type: number;
  readonly bytes: Buffer;
  readonly executable?: boolean;
}

/** One segment from IMAGE_ADDRESS on, which is the file from its first byte on. */
export function writeGoImage(image: GoImage): Uint8Array {
  const { module, is64, littleEndian, table, trees } = image;
  const text = Buffer.alloc(image.textBytes, 0xcc);
  const beforeModule: ImageSection[] = [
    { name: ".text", type: 1, bytes: text, executable: true },
    { name: ".rodata", type: 1, bytes: Buffer.concat([Buffer.alloc(GOFUNC_OFFSET), trees]) },
    { name: ".gopclntab", type: 1, bytes: table },
  ];
  const { ends, places } = placed(beforeModule);
  const tableAt = IMAGE_ADDRESS + (places[2] ?? 0);
  const words = moduleWords(image, { tableAt, functionData: treesAddress(image.textBytes) });
  const moduleAt = IMAGE_ADDRESS + ends;
  const data = new WordWriter(is64, littleEndian);
  data.word(...words.map((word) => (module === "relocations" ? 0 : word)));
  const relocations = new WordWriter(is64, littleEndian);
  for (const [index, word] of words.entries()) {
    if (word === 0) continue;
    relocations.word(moduleAt + index * 8, 8, word);
  }
  const moduleName = module === "section" ? ".go.module" : ".noptrdata";
  const sections: ImageSection[] = [
    ...beforeModule,
    { name: moduleName, type: 1, bytes: module === "none" ? Buffer.alloc(8) : data.bytes },
    ...(module === "relocations" ? [{ name: ".rela", type: 4, bytes: relocations.bytes }] : []),
  ];
  return writeSections(image, sections);
}

function moduleWords(
  { version, textAddress, table }: GoImage,
  { tableAt, functionData }: { readonly tableAt: number; readonly functionData: number },
): number[] {
  const words = new Array<number>(WORDS_OF_MODULE).fill(0);
  const functionsWord = version === "go116" ? 6 : 7;
  words[0] = tableAt;
  words[13] = tableAt + functionsAt(table, functionsWord);
  words[22] = textAddress;
  words[version === "go118" ? 38 : 40] = functionData;
  return words;
}

/** As the header has it, whatever its width and order are. */
function functionsAt(table: Buffer, word: number): number {
  const littleEndian = table[0] !== 0xff;
  const wordBytes = table[7] as number;
  const at = 8 + word * wordBytes;
  if (at + wordBytes > table.length) return 0;
  if (wordBytes === 4) return littleEndian ? table.readUInt32LE(at) : table.readUInt32BE(at);
  return Number(littleEndian ? table.readBigUInt64LE(at) : table.readBigUInt64BE(at));
}

function placed(sections: readonly ImageSection[]): { places: number[]; ends: number } {
  let end = IMAGE_HEADER_BYTES;
  const places = sections.map(({ bytes }) => {
    const place = end;
    end = aligned(end + bytes.length);
    return place;
  });
  return { places, ends: end };
}

function writeSections(image: GoImage, sections: readonly ImageSection[]): Uint8Array {
  const { is64, littleEndian, textAddress } = image;
  const { places, ends } = placed(sections);
  const names = stringsOf([...sections.map(({ name }) => name), ".shstrtab"]);
  const namesAt = ends;
  const headersAt = aligned(namesAt + names.bytes.length);
  const head = new WordWriter(is64, littleEndian);
  head.add(Buffer.from([0x7f, 0x45, 0x4c, 0x46, is64 ? 2 : 1, littleEndian ? 1 : 2, 1, 0]));
  head.add(Buffer.alloc(8));
  head.i16(2);
  head.i16(is64 ? 62 : 3);
  head.u32(1);
  head.word(textAddress, is64 ? 64 : 52, headersAt);
  head.u32(0);
  for (const value of is64 ? [64, 56, 1, 64] : [52, 32, 1, 40]) head.i16(value);
  head.i16(sections.length + 2);
  head.i16(sections.length + 1);
  if (is64) head.u32(1, 5);
  else head.u32(1);
  head.word(0, IMAGE_ADDRESS, IMAGE_ADDRESS, headersAt, headersAt);
  if (!is64) head.u32(5);
  head.word(0x1000);
  const headers = new WordWriter(is64, littleEndian);
  const addHeader = (section: ImageSection, place: number, isLoaded: boolean): void => {
    headers.u32(names.places.get(section.name) ?? 0, section.type);
    headers.word(section.executable === true ? 6 : 2, isLoaded ? IMAGE_ADDRESS + place : 0);
    headers.word(place, section.bytes.length);
    headers.u32(0, 0);
    headers.word(1, 0);
  };
  headers.add(Buffer.alloc(is64 ? 64 : 40));
  for (const [index, section] of sections.entries()) {
    addHeader(section, places[index] as number, true);
  }
  addHeader({ name: ".shstrtab", type: 3, bytes: names.bytes }, namesAt, false);
  const file = Buffer.alloc(headersAt + headers.length);
  file.set(head.bytes, 0);
  for (const [index, { bytes }] of sections.entries()) file.set(bytes, places[index] as number);
  file.set(names.bytes, namesAt);
  file.set(headers.bytes, headersAt);
  return new Uint8Array(file);
}
