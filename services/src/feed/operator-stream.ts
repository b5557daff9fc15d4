import type { Operator } from "../access/caller.ts";
import { Doorbell, type After } from "./doorbell.ts";

/** An operator who watches. Holds no more than the names of channels that changed. */
export class OperatorStream {
  readonly caller: Operator;
  readonly #changed = new Set<string>();
  readonly #bell: Doorbell;
  readonly #channels: ReadonlySet<string> | undefined;
  readonly #onEnd: () => void;
  #end: Error | undefined;

  constructor(options: {
    readonly caller: Operator;
    /** Those that the operator hears of; undefined: all. */
    readonly channels: ReadonlySet<string> | undefined;
    readonly after: After;
    /** Called once. */
    readonly onEnd: () => void;
  }) {
    this.caller = options.caller;
    this.#bell = new Doorbell(options.after);
    this.#channels = options.channels;
    this.#onEnd = options.onEnd;
  }

  changed(channels: readonly string[]): void {
    for (const channel of channels) {
      if (this.#channels?.has(channel) !== false) this.#changed.add(channel);
    }
    if (this.#changed.size > 0) this.#bell.ring();
  }

  /** Ends it. The first reason counts. */
  end(reason: Error): void {
    if (this.#end !== undefined) return;
    this.#end = reason;
    this.#onEnd();
    this.#bell.ring();
  }

  /**
   * Waits for channels that changed since it was asked last, each named once.
   *
   * @returns Their names; none when nothing changed within the limit.
   * @throws What it was ended with.
   */
  async changes(limitMs: number): Promise<readonly string[]> {
    if (this.#end === undefined && this.#changed.size === 0) await this.#bell.wait(limitMs);
    if (this.#end !== undefined) throw this.#end;
    const channels = [...this.#changed];
    this.#changed.clear();
    return channels;
  }
}
