import { limitExceeded } from "../../support/errors.ts";
import { lastAtOrBefore } from "../../support/sorted-search.ts";
import * as dw from "./constants.ts";
import { ABSENT, DieValues, readAttributes, skipAttributes } from "./die-values.ts";
import type { DwarfCursor } from "./dwarf-cursor.ts";
import type { Unit } from "./unit.ts";
import { DIE_DEPTH_MAX } from "./unit-scan.ts";

/** Calls that were inlined into one function; the largest seen has 30,000. */
const INLINES_MAX = 1 << 17;
/** Their ranges: a few of each. */
const RANGES_MAX = 1 << 19;
/** The function itself. */
export const NO_INLINE = -1;

/** What was inlined into one function, and which of it is where. */
export interface InlineTable {
  /** Of each call: the row of the call that it was inlined into, or NO_INLINE. */
  readonly parents: Int32Array;
  /** Its entry, from the unit's start on. */
  readonly entries: Uint32Array;
  /** ABSENT when it is not said. */
  readonly callFiles: Int32Array;
  /** 0 when it is not said; so is the column. */
  readonly callLines: Uint32Array;
  readonly callColumns: Uint32Array;
  /** Where another call is the innermost one; sorted. */
  readonly starts: Float64Array;
  /** The innermost call from each start on; NO_INLINE for none. */
  readonly innermost: Int32Array;
}

/** The innermost call at an address of the function. */
export function innermostAt({ starts, innermost }: InlineTable, address: number): number {
  const row = lastAtOrBefore(starts, address);
  return row < 0 ? NO_INLINE : (innermost[row] as number);
}

/** Reads what was inlined into the function whose entry is at an offset of the unit. */
export function readInlines(unit: Unit, functionOffset: number): InlineTable {
  return new InlineReader(unit).read(functionOffset);
}

/** Reads the entries of one function, parents before children. */
class InlineReader {
  readonly #unit: Unit;
  readonly #values = new DieValues();
  readonly #parents: number[] = [];
  readonly #entries: number[] = [];
  readonly #callFiles: number[] = [];
  readonly #callLines: number[] = [];
  readonly #callColumns: number[] = [];
  /** Start, end and row of each range. */
  readonly #ranges: number[] = [];
  /** Of each level that is open: the call in which its entries are; SKIPPED in another function. */
  readonly #levels: number[] = [];

  constructor(unit: Unit) {
    this.#unit = unit;
  }

  read(functionOffset: number): InlineTable {
    const unit = this.#unit;
    const cursor = unit.cursor(functionOffset);
    const { table, encoding } = unit;
    const row = unit.rowOf(cursor, cursor.uleb());
    skipAttributes(cursor, table, row, encoding);
    if (table.hasChildren[row] === 1) this.#levels.push(NO_INLINE);
    while (this.#levels.length > 0 && cursor.at < cursor.end) this.#readEntry(cursor);
    const { starts, innermost } = painted(this.#ranges);
    return {
      parents: Int32Array.from(this.#parents),
      entries: Uint32Array.from(this.#entries),
      callFiles: Int32Array.from(this.#callFiles),
      callLines: Uint32Array.from(this.#callLines),
      callColumns: Uint32Array.from(this.#callColumns),
      starts,
      innermost,
    };
  }

  #readEntry(cursor: DwarfCursor): void {
    const { table, encoding } = this.#unit;
    const offset = cursor.at;
    const code = cursor.uleb();
    if (code === 0) {
      this.#levels.pop();
      return;
    }
    const row = this.#unit.rowOf(cursor, code);
    const tag = table.tags[row] as number;
    const around = this.#levels.at(-1) as number;
    const isInline = tag === dw.DW_TAG_inlined_subroutine && around !== SKIPPED;
    let call = around;
    let sibling: number;
    if (isInline) {
      readAttributes(cursor, this.#unit, row, this.#values);
      sibling = this.#values.sibling;
      call = this.#add(offset, around);
    } else {
      sibling = skipAttributes(cursor, table, row, encoding);
      // A function in this one has its code elsewhere, and so have the calls that it inlined.
      if (tag === dw.DW_TAG_subprogram) call = SKIPPED;
    }
    if (table.hasChildren[row] !== 1) return;
    const isLookedInto = isInline || (tag === dw.DW_TAG_lexical_block && around !== SKIPPED);
    if (!isLookedInto && sibling !== ABSENT && sibling >= cursor.at && sibling <= cursor.end) {
      cursor.at = sibling;
      return;
    }
    if (this.#levels.length >= DIE_DEPTH_MAX) {
      throw cursor.error(`entries are over ${DIE_DEPTH_MAX} deep`);
    }
    this.#levels.push(call);
  }

  #add(offset: number, parent: number): number {
    const values = this.#values;
    const call = this.#parents.length;
    if (call >= INLINES_MAX) {
      throw limitExceeded(this.#unit.name, "inlined calls of a function", call, INLINES_MAX);
    }
    this.#parents.push(parent);
    this.#entries.push(offset);
    this.#callFiles.push(values.callFile);
    this.#callLines.push(values.callLine);
    this.#callColumns.push(values.callColumn);
    const pairs = this.#unit.rangesOf(values);
    if (this.#ranges.length + pairs.length > 3 * RANGES_MAX) {
      throw limitExceeded(this.#unit.name, "ranges of inlined calls", call, RANGES_MAX);
    }
    for (let index = 0; index < pairs.length; index += 2) {
      this.#ranges.push(pairs[index] as number, pairs[index + 1] as number, call);
    }
    return call;
  }
}

const SKIPPED = -2;

/**
 * Of ranges, given as start, end and row in the order of their entries, which is the innermost at
 * each address. A range lies over what came before it, as those of children lie over their
 * parents'; but not over one that overlaps it and begins later, as in llvm-symbolizer.
 */
function painted(ranges: readonly number[]): Pick<InlineTable, "starts" | "innermost"> {
  const segments = new SegmentList();
  for (let index = 0; index < ranges.length; index += 3) {
    const start = ranges[index] as number;
    const end = ranges[index + 1] as number;
    const row = ranges[index + 2] as number;
    segments.cut(start, end);
    segments.put(start, end, row);
  }
  return segmentsOf(segments.all());
}

/** Segments of one piece: enough that there are few pieces, and few that one more has to move. */
const PIECE_MAX = 512;

/** Segments by their starts, in pieces: where one more comes between others, few are moved. */
class SegmentList {
  readonly #pieces: Piece[] = [{ starts: [], ends: [], rows: [] }];
  /** Where each piece begins. */
  readonly #firsts: number[] = [Number.NEGATIVE_INFINITY];

  /** Takes what is from `start` to `end` out of the one around its start. */
  cut(start: number, end: number): void {
    const { starts, ends, rows } = this.#pieceAt(start);
    const around = lastAtOrBefore(starts, start);
    const endAround = ends[around] ?? Number.NEGATIVE_INFINITY;
    if (start >= endAround) return;
    const row = rows[around] as number;
    if (start > (starts[around] as number)) ends[around] = start;
    if (end < endAround) this.put(end, endAround, row);
  }

  put(start: number, end: number, row: number): void {
    const piece = this.#pieceAt(start);
    const at = lastAtOrBefore(piece.starts, start);
    if (piece.starts[at] === start) {
      piece.ends[at] = end;
      piece.rows[at] = row;
      return;
    }
    piece.starts.splice(at + 1, 0, start);
    piece.ends.splice(at + 1, 0, end);
    piece.rows.splice(at + 1, 0, row);
    if (piece.starts.length > PIECE_MAX) this.#split(piece);
  }

  all(): Segments {
    const [first, ...others] = this.#pieces as [Piece, ...Piece[]];
    if (others.length === 0) return first;
    return {
      starts: this.#pieces.flatMap(({ starts }) => starts),
      ends: this.#pieces.flatMap(({ ends }) => ends),
      rows: this.#pieces.flatMap(({ rows }) => rows),
    };
  }

  #pieceAt(start: number): Piece {
    return this.#pieces[lastAtOrBefore(this.#firsts, start)] as Piece;
  }

  #split(piece: Piece): void {
    const half = PIECE_MAX / 2;
    const rest = {
      starts: piece.starts.splice(half),
      ends: piece.ends.splice(half),
      rows: piece.rows.splice(half),
    };
    const at = this.#pieces.indexOf(piece) + 1;
    this.#pieces.splice(at, 0, rest);
    this.#firsts.splice(at, 0, rest.starts[0] as number);
  }
}

interface Piece {
  readonly starts: number[];
  readonly ends: number[];
  readonly rows: number[];
}

interface Segments {
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly rows: readonly number[];
}

/** With the gaps, so that one search tells. */
function segmentsOf({ starts, ends, rows }: Segments): Pick<InlineTable, "starts" | "innermost"> {
  const marks: number[] = [];
  const innermost: number[] = [];
  for (const [index, start] of starts.entries()) {
    marks.push(start);
    innermost.push(rows[index] as number);
    const end = ends[index] as number;
    if (end >= (starts[index + 1] ?? Number.POSITIVE_INFINITY)) continue;
    marks.push(end);
    innermost.push(NO_INLINE);
  }
  return { starts: Float64Array.from(marks), innermost: Int32Array.from(innermost) };
}
