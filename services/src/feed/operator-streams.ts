import type { Operator } from "../access/caller.ts";
import type { After } from "./doorbell.ts";
import type { OperatorStream } from "./operator-stream.ts";

export interface OperatorStreamsOptions {
  /** Which of the callers may call no more. */
  readonly findEnded: (callers: readonly Operator[]) => Promise<ReadonlySet<Operator>>;
  readonly ended: () => Error;
  readonly onFailure: (error: unknown) => void;
  /** How often the callers are looked at, while there are any. */
  readonly recheckMs: number;
  readonly after: After;
}

/** The operators who watch. One whose token ends is let go within one interval. */
export class OperatorStreams {
  readonly #options: OperatorStreamsOptions;
  readonly #streams = new Set<OperatorStream>();
  #checking: Promise<void> | undefined;
  #cancel: (() => void) | undefined;

  constructor(options: OperatorStreamsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#streams.size;
  }

  add(stream: OperatorStream): void {
    this.#streams.add(stream);
    this.#schedule();
  }

  remove(stream: OperatorStream): void {
    this.#streams.delete(stream);
  }

  changed(channels: readonly string[]): void {
    for (const stream of this.#streams) stream.changed(channels);
  }

  /** Resolves when nobody is looked at any more. */
  async stop(): Promise<void> {
    this.#cancel?.();
    this.#streams.clear();
    await this.#checking;
  }

  #schedule(): void {
    this.#cancel ??= this.#options.after(this.#options.recheckMs, () => {
      this.#checking = this.#check();
    });
  }

  async #check(): Promise<void> {
    try {
      const callers = new Set([...this.#streams].map(({ caller }) => caller));
      const ended = await this.#options.findEnded([...callers]);
      for (const stream of this.#streams) {
        if (ended.has(stream.caller)) stream.end(this.#options.ended());
      }
    } catch (error) {
      this.#options.onFailure(error);
    }
    this.#cancel = undefined;
    if (this.#streams.size > 0) this.#schedule();
  }
}
