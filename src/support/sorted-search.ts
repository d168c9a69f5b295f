/** Index of the last, from `start` to before `end`, that is not above a value; `start` - 1 when all are. */
export function lastAtOrBefore(
  sorted: Float64Array | Uint32Array | readonly number[],
  value: number,
  start = 0,
  end: number = sorted.length,
): number {
  let low = start;
  let high = end;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as number) <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** How many of `count` rows come before a place: `isBefore` holds for the first ones and no others. */
export function countBefore(count: number, isBefore: (row: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}
