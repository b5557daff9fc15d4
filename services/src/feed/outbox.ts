import type { Directive } from "@nix-ota/proto/nixota/v1/device_pb";

/** What is to be written next. */
export type Outgoing =
  | { readonly kind: "directive"; readonly directive: Directive }
  /** `reason` undefined: the stream ends well. */
  | { readonly kind: "end"; readonly reason: Error | undefined };

/**
 * What waits to be written to one stream. Of pushed directives only the newest
 * is kept, and none that an acknowledgement overtook: both carry the whole of
 * what the device is to do. Acknowledgements are kept all, since each names
 * events that the device holds; whoever adds them bounds their number.
 */
export class Outbox {
  #acknowledgements: Directive[] = [];
  #push: Directive | undefined;
  #end: (Outgoing & { readonly kind: "end" }) | undefined;

  /** Acknowledgements that wait. */
  get unsent(): number {
    return this.#acknowledgements.length;
  }

  acknowledge(directive: Directive): void {
    if (this.#end !== undefined) return;
    this.#acknowledgements.push(directive);
    this.#push = undefined;
  }

  /** @returns Whether it took the place of one that was never read. */
  push(directive: Directive): boolean {
    if (this.#end !== undefined) return false;
    const replaced = this.#push !== undefined;
    this.#push = directive;
    return replaced;
  }

  /** After what was acknowledged nothing is written but the end. The first reason counts. */
  end(reason: Error | undefined): void {
    this.#end ??= { kind: "end", reason };
    this.#push = undefined;
  }

  take(): Outgoing | undefined {
    const directive = this.#acknowledgements.shift() ?? this.#push;
    if (directive === undefined) return this.#end;
    if (directive === this.#push) this.#push = undefined;
    return { kind: "directive", directive };
  }
}
