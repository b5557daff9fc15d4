import type { After } from "./doorbell.ts";

/** Version of every channel, by name. */
export type Versions = ReadonlyMap<string, bigint>;

export interface ChannelVersionsOptions {
  readonly read: () => Promise<Versions>;
  /** Channels whose version differs from the one read before. */
  readonly onChange: (channels: readonly string[]) => void;
  /** Every read but the first, after the changes that it found. */
  readonly onRead: (versions: Versions) => void;
  /** A read that failed; the next one comes by itself. */
  readonly onFailure: (error: unknown) => void;
  /** Longest time between two reads. */
  readonly rereadMs: number;
  readonly after: After;
}

/**
 * Follows the versions of all channels by reading them again and again. A hint
 * only makes the next read come at once, so that a hint that is lost costs at
 * most the time between two reads, and one that comes twice costs nothing.
 */
export class ChannelVersions {
  readonly #options: ChannelVersionsOptions;
  #current: Versions = new Map();
  #reading: Promise<void> | undefined;
  #again = false;
  #stopped = false;
  #cancel: () => void = () => undefined;

  constructor(options: ChannelVersionsOptions) {
    this.#options = options;
  }

  /** As last read; another map when anything changed. */
  get current(): Versions {
    return this.#current;
  }

  /** What later reads are compared with. Before it no change is told. */
  async start(): Promise<void> {
    this.#current = await this.#options.read();
    this.#schedule();
  }

  /** Something may have changed. Many hints during one read lead to one more. */
  hint(): void {
    if (this.#stopped) return;
    this.#again = true;
    this.#reading ??= this.#run();
  }

  /** Resolves when nothing is read any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#reading;
  }

  async #run(): Promise<void> {
    this.#cancel();
    while (this.#again && !this.#stopped) {
      this.#again = false;
      try {
        this.#compare(await this.#options.read());
        this.#options.onRead(this.#current);
      } catch (error) {
        this.#options.onFailure(error);
      }
    }
    this.#reading = undefined;
    if (!this.#stopped) this.#schedule();
  }

  #schedule(): void {
    this.#cancel = this.#options.after(this.#options.rereadMs, () => this.hint());
  }

  #compare(next: Versions): void {
    const before = this.#current;
    const names = new Set([...before.keys(), ...next.keys()]);
    const changed = [...names].filter((name) => before.get(name) !== next.get(name));
    if (changed.length === 0) return;
    this.#current = next;
    this.#options.onChange(changed);
  }
}
