/** What one configuration may hold. People write it: whoever reaches a limit has made a mistake. */

/**
 * One file, variable or answer, and one value once its references are expanded. Parsing takes
 * seconds for a mebibyte; the largest real configurations have a few hundred kibibytes.
 */
export const CONFIG_BYTES_MAX: number = 1024 * 1024;

/** Maps and lists inside one another, and references inside references; bounds the recursion. */
export const CONFIG_NESTING_MAX = 100;

/** Keys and list items of one source, aliases counted as what they stand for. */
export const CONFIG_VALUES_MAX = 100_000;

/** References that one value may lead to, as in the OpenTelemetry Collector. */
export const CONFIG_EXPANSIONS_MAX = 1000;

/** One configuration fetched over the network has this long from connect to last byte. */
export const CONFIG_FETCH_MS_MAX = 10_000;
