import type { Directive } from "@nix-ota/proto/nixota/v1/device_pb";

import type { Session } from "../access/session-token.ts";
import { Doorbell, type After } from "./doorbell.ts";
import { Outbox } from "./outbox.ts";
import { isNews } from "./push-rule.ts";

export interface DeviceStreamOptions {
  readonly session: Session;
  /**
   * Whether the device reports on the stream. What it last reported may be old
   * when it opens one, so it is told nothing before the stream's first report.
   */
  readonly reports: boolean;
  readonly heartbeatMs: number;
  /** Reports under way, and acknowledgements not yet read, before no further report is taken. */
  readonly reportsUnderWay: number;
  readonly after: After;
  /** Tells that the device has to be decided about again. */
  readonly decideAgain: (stream: DeviceStream) => void;
  /** Called once. */
  readonly onEnd: () => void;
}

/** A device that listens: what it was told last, and what it is to be told. */
export class DeviceStream {
  readonly session: Session;
  /** Channel whose changes it hears of; undefined: not read yet. */
  channel: string | undefined;
  readonly #options: DeviceStreamOptions;
  readonly #outbox = new Outbox();
  readonly #outgoing: Doorbell;
  readonly #room: Doorbell;
  #told: Directive | undefined;
  #silent: boolean;
  #underWay = 0;
  #acknowledged = 0;
  #decided = 0;
  #finishing = false;
  #ended = false;

  constructor(options: DeviceStreamOptions) {
    this.#options = options;
    this.session = options.session;
    this.#silent = options.reports;
    this.#outgoing = new Doorbell(options.after);
    this.#room = new Doorbell(options.after);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** A decision that begins: what it comes to may be overtaken by an acknowledgement. */
  beginDecision(): number {
    return this.#acknowledged;
  }

  /**
   * What the device is to do, as decided from what was read after `begun`.
   *
   * @returns What came of it; `resynchronised`: it replaced one that was never read.
   */
  decide(begun: number, directive: Directive): "told" | "resynchronised" | "known" | "overtaken" {
    // The acknowledgement may tell of a later state than was read: read again.
    if (begun !== this.#acknowledged) return "overtaken";
    this.#decided += 1;
    if (this.#ended || this.#silent || !isNews(this.#told, directive)) return "known";
    this.#told = directive;
    const replaced = this.#outbox.push(directive);
    this.#outgoing.ring();
    return replaced ? "resynchronised" : "told";
  }

  /** A report that begins, by this stream or another call: a decision may overtake its answer. */
  beginReport(): number {
    return this.#decided;
  }

  /** That a report on the channel, begun so, was answered by the directive. */
  answered(begun: number, channel: string, directive: Directive): void {
    this.#told = directive;
    this.#acknowledged += 1;
    // What was decided meanwhile may be newer than the answer; and a report of
    // another channel moved the device, or is older than the one that did.
    if (begun !== this.#decided || channel !== this.channel) this.#options.decideAgain(this);
  }

  /** Takes a report without waiting for it; it is acknowledged, or ends the stream. */
  report(channel: string, take: () => Promise<Directive>): void {
    this.#underWay += 1;
    const begun = this.beginReport();
    take()
      .then(
        (directive) => {
          this.#outbox.acknowledge(directive);
          this.#silent = false;
          this.answered(begun, channel, directive);
        },
        (reason: unknown) => this.end(asError(reason)),
      )
      .finally(() => {
        this.#underWay -= 1;
        this.#room.ring();
        this.#outgoing.ring();
      });
  }

  /** Resolves when another report may be read. */
  async room(): Promise<void> {
    while (!this.#ended && this.#underWay + this.#outbox.unsent >= this.#options.reportsUnderWay) {
      await this.#room.wait(this.#options.heartbeatMs);
    }
  }

  /** The device sends no more reports: ends well once all are acknowledged. */
  finish(): void {
    this.#finishing = true;
    this.#outgoing.ring();
  }

  /** Ends it; undefined: well. The first end counts. */
  end(reason: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#outbox.end(reason);
    this.#options.onEnd();
    this.#outgoing.ring();
    this.#room.ring();
  }

  /**
   * What is written, until the end: directives, and undefined for a heartbeat.
   *
   * @throws What it was ended with.
   */
  async *messages(): AsyncGenerator<Directive | undefined, void> {
    for (;;) {
      if (this.#finishing && this.#underWay === 0) this.end(undefined);
      const next = this.#outbox.take();
      if (next?.kind === "directive") {
        this.#room.ring();
        yield next.directive;
      } else if (next?.kind === "end") {
        if (next.reason === undefined) return;
        throw next.reason;
      } else if (!(await this.#outgoing.wait(this.#options.heartbeatMs))) {
        yield undefined;
      }
    }
  }
}

/** What was thrown, as what a stream can end with. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error("a stream failed", { cause: thrown });
}
