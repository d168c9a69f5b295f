import type { ProcessMapping, TrackedImage } from "./process-image.ts";

/** Images, running and ended: twice the process ids that a kernel has by default. */
export const IMAGES_MAX = 65_536;
/** Mappings of all images together, about 100 MB; a host of 10,000 processes has 200,000. */
export const MAPPINGS_TOTAL_MAX = 524_288;
/**
 * For how long after its end the last image of a pid is still what runs there: a large process
 * may take seconds to give its memory back, and is sampled while it does.
 */
const EXIT_GRACE_NS = 5_000_000_000n;
/** The share of the running images that goes at once when there are too many. */
const EVICTED_SHARE = 1 / 16;

/**
 * The shortest generation. Who exchanges files faster has those samples resolved by what is mapped
 * a moment later.
 */
const GENERATION_NS_MIN = 50_000_000n;
/** Ended generations of one program, so that one does not fill the history: 3 seconds at least. */
const GENERATIONS_MAX = 64;
/** Mappings of the ended generations of one program together: an eighth of all. */
const GENERATION_MAPPINGS_MAX = 65_536;

/** The images of every pid, the present one and those before it, with a limit on all. */
export class ImageHistory {
  readonly #latest = new Map<number, TrackedImage>();
  /** In the order in which they ended; those before `#endedFrom` are forgotten already. */
  #ended: TrackedImage[] = [];
  #endedFrom = 0;
  #size = 0;
  #evicted = 0;
  #refusedGenerations = 0;

  /** All images, running and ended. */
  get size(): number {
    return this.#size;
  }

  get endedSize(): number {
    return this.#ended.length - this.#endedFrom;
  }

  /** Images that were forgotten because there were too many. */
  get evicted(): number {
    return this.#evicted;
  }

  /** Changes of files that came too fast, or too often, for a generation of their own. */
  get refusedGenerations(): number {
    return this.#refusedGenerations;
  }

  /** The last image of a pid, which may have ended. */
  latest(pid: number): TrackedImage | undefined {
    return this.#latest.get(pid);
  }

  /** The image that runs in a pid now. */
  running(pid: number): TrackedImage | undefined {
    const image = this.#latest.get(pid);
    return image?.exitNs === undefined ? image : undefined;
  }

  *allRunning(): Generator<TrackedImage> {
    for (const image of this.#latest.values()) {
      if (image.exitNs === undefined) yield image;
    }
  }

  /** The image that ran in a pid at that time. */
  at(pid: number, timeNs: bigint): TrackedImage | undefined {
    const latest = this.#latest.get(pid);
    for (let image = latest; image !== undefined; image = image.previous) {
      if (image.startNs <= timeNs || (!image.isComplete && image.previous === undefined)) {
        const isOver = image.exitNs !== undefined && timeNs > image.exitNs + EXIT_GRACE_NS;
        return isOver ? undefined : image;
      }
    }
    return undefined;
  }

  /** Adds what runs in its pid from now on; what ran there before ends. */
  add(image: TrackedImage): void {
    const previous = this.#latest.get(image.pid);
    if (previous !== undefined) {
      if (previous.exitNs === undefined) {
        if (previous.program === image.program) this.#endImage(previous, image.startNs);
        else this.end(previous, image.startNs);
      }
      previous.next = image;
      image.previous = previous;
    }
    this.#latest.set(image.pid, image);
    this.#size++;
  }

  /**
   * The image that takes in what its process maps at that time: a new generation when that
   * displaces files, else the image itself.
   */
  generationFor(
    image: TrackedImage,
    mappings: readonly ProcessMapping[],
    timeNs: bigint,
  ): TrackedImage {
    if (!image.isComplete || image.mappings.size === 0) return image;
    if (!mappings.some((mapping) => image.mappings.displacesFile(mapping))) return image;
    if (timeNs - image.startNs < GENERATION_NS_MIN || !hasRoomForGeneration(image)) {
      this.#refusedGenerations++;
      return image;
    }
    const next = image.nextGeneration(timeNs);
    this.add(next);
    return next;
  }

  /** Puts what is known now in the place of a running image of which too little was known. */
  replace(incomplete: TrackedImage, image: TrackedImage): void {
    image.previous = incomplete.previous;
    if (image.previous !== undefined) image.previous.next = image;
    incomplete.previous = undefined;
    this.#latest.set(image.pid, image);
  }

  /** Ends an image and its program. */
  end(image: TrackedImage, exitNs: bigint): void {
    this.#endImage(image, exitNs);
    image.program.exitNs = exitNs;
  }

  /** Forgets the images that ended before, and the names of threads that did. */
  expire(beforeNs: bigint): void {
    while (this.endedSize > 0) {
      const oldest = this.#ended[this.#endedFrom] as TrackedImage;
      if ((oldest.exitNs ?? 0n) >= beforeNs) break;
      this.#forgetOldestEnded();
    }
    for (const image of this.#latest.values()) {
      if (image.hasEndedThreads) image.forgetThreadsBefore(beforeNs);
    }
  }

  /** Holds the limits: ended images go first, then running ones that were not used for longest. */
  enforceLimits(imagesMax: number = IMAGES_MAX, mappingsMax: number = MAPPINGS_TOTAL_MAX): void {
    const isOver = (): boolean => this.#size > imagesMax || this.#mappingCount() > mappingsMax;
    if (!isOver()) return;
    while (this.endedSize > 0 && this.#size > imagesMax) this.#evictOldestEnded();
    if (!isOver()) return;
    while (this.endedSize > 0) this.#evictOldestEnded();
    const byUse = [...this.#latest.values()].sort((a, b) => a.lastUsed - b.lastUsed);
    const step = Math.ceil(byUse.length * EVICTED_SHARE);
    for (let from = 0; from < byUse.length && isOver(); from += step) {
      for (const image of byUse.slice(from, from + step)) this.#forget(image);
      this.#evicted += Math.min(step, byUse.length - from);
    }
  }

  #endImage(image: TrackedImage, exitNs: bigint): void {
    image.exitNs = exitNs;
    this.#ended.push(image);
  }

  #mappingCount(): number {
    let count = 0;
    for (const image of this.#latest.values()) {
      let each: TrackedImage | undefined = image;
      for (; each !== undefined; each = each.previous) count += each.mappings.size;
    }
    return count;
  }

  #evictOldestEnded(): void {
    this.#forgetOldestEnded();
    this.#evicted++;
  }

  #forgetOldestEnded(): void {
    const image = this.#ended[this.#endedFrom++] as TrackedImage;
    if (this.#endedFrom > 1024 && this.#endedFrom * 2 > this.#ended.length) {
      this.#ended = this.#ended.slice(this.#endedFrom);
      this.#endedFrom = 0;
    }
    this.#forget(image);
  }

  #forget(image: TrackedImage): void {
    const { pid, previous, next } = image;
    if (next !== undefined) next.previous = previous;
    if (previous !== undefined) previous.next = next;
    if (this.#latest.get(pid) === image) {
      if (previous === undefined) this.#latest.delete(pid);
      else this.#latest.set(pid, previous);
    }
    image.previous = image.next = undefined;
    this.#size--;
  }
}

function hasRoomForGeneration(image: TrackedImage): boolean {
  let count = 1;
  let mappings = image.mappings.size;
  let each = image.previous;
  for (; each?.program === image.program; each = each.previous) {
    count++;
    mappings += each.mappings.size;
  }
  return count <= GENERATIONS_MAX && mappings <= GENERATION_MAPPINGS_MAX;
}
