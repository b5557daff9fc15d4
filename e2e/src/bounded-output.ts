/** Keeps the last bytes of a stream, so that a talkative process cannot fill the memory of a test. */
export class BoundedOutput {
  readonly #limitBytes: number;
  #chunks: Buffer[] = [];
  #keptBytes = 0;
  #droppedBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  append(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#keptBytes += chunk.length;
    while (this.#keptBytes > this.#limitBytes) {
      const first = this.#chunks.shift();
      if (first === undefined) return;
      const excess = this.#keptBytes - this.#limitBytes;
      if (first.length > excess) this.#chunks.unshift(first.subarray(excess));
      const dropped = Math.min(first.length, excess);
      this.#keptBytes -= dropped;
      this.#droppedBytes += dropped;
    }
  }

  /** Bytes that no longer fit; 0 when `text` is all that was said. */
  get droppedBytes(): number {
    return this.#droppedBytes;
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString("utf8");
  }
}
