/**
 * Every limit that protects the program from its input, by name and with its reason.
 * A limit that belongs to one format only stands beside that format's parser.
 */

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/**
 * What one profile may hold. A decoder takes these as an argument, because a file that the
 * user names may be larger than a message that the network sends.
 */
export interface ProfileLimits {
  /** Bytes as they arrive, before they are inflated. */
  readonly wireBytesMax: number;
  /** Bytes after inflation. */
  readonly inflatedBytesMax: number;
  readonly samplesMax: number;
  /** Frames of one stack. */
  readonly stackDepthMax: number;
  readonly stringBytesMax: number;
  /** Rows of any one dictionary table. */
  readonly tableRowsMax: number;
  /** Attributes (labels) of one owner. */
  readonly attributesMax: number;
  /** Nested messages or JSON values. */
  readonly nestingMax: number;
}

/** Files that the user names on the command line. */
export const FILE_LIMITS: ProfileLimits = {
  wireBytesMax: GIB,
  inflatedBytesMax: GIB,
  samplesMax: 10_000_000,
  stackDepthMax: 4096,
  stringBytesMax: MIB,
  tableRowsMax: 64_000_000,
  attributesMax: 4096,
  nestingMax: 100,
};

/** Messages from the network [S2]. */
export const NETWORK_LIMITS: ProfileLimits = {
  wireBytesMax: 4 * MIB,
  inflatedBytesMax: 16 * MIB,
  samplesMax: 16_000,
  stackDepthMax: 1000,
  stringBytesMax: 64 * KIB,
  tableRowsMax: 1_000_000,
  attributesMax: 128,
  nestingMax: 100,
};

/** Values are JavaScript numbers; above this they would be rounded silently. */
export const VALUE_MAX: number = Number.MAX_SAFE_INTEGER;

/** One line of a text format (folded, perf script, a perf map). */
export const TEXT_LINE_BYTES_MAX: number = MIB;
