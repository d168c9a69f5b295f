/** The kernel maps whole pages of at least this. */
const PAGE_BYTES = 4096;
const PAGE_BITS = 12;
const ADDRESS_BITS = 64;

/** All addresses whose first `bits` bits are those of `address`. */
export interface AddressPrefix {
  readonly address: number;
  readonly bits: number;
}

/**
 * The fewest prefixes that together are the addresses from `start` to before `end`: at most two
 * for each power of two. A trie that finds the longest prefix of an address finds no other range.
 *
 * @param start  user addresses, exact to 2^53; both are rounded outwards to pages
 */
export function addressPrefixes(start: number, end: number): AddressPrefix[] {
  const prefixes: AddressPrefix[] = [];
  const last = Math.ceil(end / PAGE_BYTES);
  for (let page = Math.floor(start / PAGE_BYTES); page < last; ) {
    let pages = 1;
    let bits = ADDRESS_BITS - PAGE_BITS;
    while (page % (2 * pages) === 0 && page + 2 * pages <= last) {
      pages *= 2;
      bits--;
    }
    prefixes.push({ address: page * PAGE_BYTES, bits });
    page += pages;
  }
  return prefixes;
}
