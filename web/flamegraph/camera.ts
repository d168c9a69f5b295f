/** How long a zoom moves; long enough to follow with the eye, too short to wait for. */
const MOVE_MS = 160;

/** The horizontal part of the layout that is shown, and how it moves to another part. */
export class Camera {
  start = 0;
  end = 1;
  #from = { start: 0, end: 1 };
  #to = { start: 0, end: 1 };
  #beganMs = 0;
  #isMoving = false;

  get isMoving(): boolean {
    return this.#isMoving;
  }

  /** Where the camera is going, or is. */
  get target(): { readonly start: number; readonly end: number } {
    return this.#to;
  }

  jump(start: number, end: number): void {
    this.#to = { start, end };
    this.start = start;
    this.end = end;
    this.#isMoving = false;
  }

  /** @param nowMs time of the event that asked for it, so that the first frame has moved already */
  moveTo(start: number, end: number, nowMs: number): void {
    this.#from = { start: this.start, end: this.end };
    this.#to = { start, end };
    this.#beganMs = nowMs;
    this.#isMoving = true;
  }

  /** Puts the camera where it is at a time. */
  step(nowMs: number): void {
    if (!this.#isMoving) return;
    const part = Math.min(1, Math.max(0, (nowMs - this.#beganMs) / MOVE_MS));
    if (part === 1) {
      this.jump(this.#to.start, this.#to.end);
      return;
    }
    const eased = 1 - (1 - part) ** 3;
    this.start = this.#from.start + (this.#to.start - this.#from.start) * eased;
    this.end = this.#from.end + (this.#to.end - this.#from.end) * eased;
  }
}
