import { once } from "node:events";
import * as http from "node:http";
import * as http2 from "node:http2";
import * as net from "node:net";
import { setTimeout as delay } from "node:timers/promises";

import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { HoldReason } from "@nix-ota/proto/nixota/v1/channel_pb";
import { ChannelService } from "@nix-ota/proto/nixota/v1/channel_service_pb";
import { CheckinService } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import { DirectiveSchema } from "@nix-ota/proto/nixota/v1/device_pb";
import type { Report } from "@nix-ota/proto/nixota/v1/device_pb";
import { otaError } from "@nix-ota/proto/reason";
import type { ReasonName } from "@nix-ota/proto/reason";

/** What a loopback server can be told to do; every field may be changed while it runs. */
export interface Behaviour {
  /** Speaks HTTP/1.1 alone. */
  http1Only: boolean;
  /** Neither word nor heartbeat comes over a held connection. */
  mute: boolean;
  /** A held connection is cut after so long; undefined: never. */
  cutAfterMs: number | undefined;
  /** Calls are refused with this. */
  refuseCalls: ReasonName | undefined;
  /** Held connections are refused with this. */
  refuseHeld: ReasonName | undefined;
  /** Sessions are of another key: every token so far is refused. */
  sessions: number;
  heartbeatMs: number;
  revision: bigint;
  /** Nothing is offered, with this explanation; undefined: the revision is. */
  hold: string | undefined;
  /** The device is not known until it enrols with this token; undefined: it is known. */
  enrolmentToken: string | undefined;
}

/** The devices' side of a server on a free loopback port, for the agent's adapter alone. */
export class LoopbackServer implements AsyncDisposable {
  readonly behaviour: Behaviour = {
    http1Only: false,
    mute: false,
    cutAfterMs: undefined,
    refuseCalls: undefined,
    refuseHeld: undefined,
    sessions: 1,
    heartbeatMs: 50,
    revision: 1n,
    hold: undefined,
    enrolmentToken: undefined,
  };
  /** Reports in the order they came, and over what. */
  readonly reports: { readonly over: "call" | "stream"; readonly report: Report }[] = [];
  readonly returned: Uint8Array[] = [];
  /** Held connections that were opened, in order. */
  readonly opened: ("stream" | "watch")[] = [];
  readonly #listener: net.Server;
  readonly #sockets = new Set<net.Socket>();
  readonly #changes = new EventTarget();

  private constructor() {
    const handler = connectNodeAdapter({
      routes: (router) => {
        router.service(CheckinService, this.#checkin());
        router.service(ChannelService, {});
      },
    });
    const h1 = http.createServer(handler);
    const h2 = http2.createServer(handler);
    h2.on("sessionError", () => undefined);
    this.#listener = net.createServer((socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
      socket.on("error", () => socket.destroy());
      socket.once("data", (bytes: Buffer) => {
        socket.pause();
        socket.unshift(bytes);
        const http2Begins = bytes.toString("latin1").startsWith("PRI");
        (http2Begins && !this.behaviour.http1Only ? h2 : h1).emit("connection", socket);
        process.nextTick(() => socket.resume());
      });
    });
  }

  static async start(): Promise<LoopbackServer> {
    const server = new LoopbackServer();
    await server.listen(0);
    return server;
  }

  async listen(port: number): Promise<void> {
    this.#listener.listen(port, "127.0.0.1");
    await once(this.#listener, "listening");
  }

  get port(): number {
    return (this.#listener.address() as net.AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Open connections. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** Held connections that are open. */
  held = 0;

  /** Tells every held connection of another offer. */
  publish(revision: bigint): void {
    this.behaviour.revision = revision;
    this.#changes.dispatchEvent(new Event("publish"));
  }

  /** Ends held connections with a reason. */
  end(reason: ReasonName): void {
    this.#changes.dispatchEvent(new CustomEvent("end", { detail: reason }));
  }

  /** What a crash does: connections are gone, and nobody listens. */
  async crash(): Promise<void> {
    this.cut();
    this.#listener.close();
    await once(this.#listener, "close");
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#listener.listening) await this.crash();
  }

  #directive(report?: Report): MessageInitShape<typeof DirectiveSchema> {
    const { revision, hold } = this.behaviour;
    const payloadSha256 = new Uint8Array(32).fill(Number(revision));
    return {
      nextCheckInMs: 300_000,
      verdict:
        hold === undefined
          ? { case: "offer", value: { channel: "prod", target: "", revision, payloadSha256 } }
          : { case: "hold", value: { reason: HoldReason.UP_TO_DATE, explanation: hold } },
      serverTime: timestampFromMs(Date.now()),
      acknowledgedSequence: report?.sequence ?? 0n,
      acknowledgedEventIds: report?.events.map(({ id }) => id) ?? [],
    };
  }

  #token(): string {
    return `session ${this.behaviour.sessions}`;
  }

  #admit(header: Headers, refused: ReasonName | undefined): void {
    if (header.get("authorization") !== `Bearer ${this.#token()}`)
      throw otaError("CREDENTIAL_INVALID", "the session is not known");
    if (refused !== undefined) throw otaError(refused, "the server is told to refuse");
  }

  #checkin(): Partial<ServiceImpl<typeof CheckinService>> {
    return {
      createChallenge: () => ({ nonce: new Uint8Array(32) }),
      enrol: ({ enrolmentToken }) => {
        if (enrolmentToken !== this.behaviour.enrolmentToken)
          throw otaError("ENROLMENT_CLOSED", "the channel takes devices with a token only");
        this.behaviour.enrolmentToken = undefined;
        return {};
      },
      authenticate: () => {
        if (this.behaviour.enrolmentToken !== undefined)
          throw otaError("DEVICE_UNKNOWN", "no device of this name is enrolled");
        return {
          sessionToken: this.#token(),
          expiresAt: timestampFromMs(Date.now() + 3_600_000),
        };
      },
      checkIn: ({ report }, { requestHeader }) => {
        this.#admit(requestHeader, this.behaviour.refuseCalls);
        if (report !== undefined) this.reports.push({ over: "call", report });
        return { directive: this.#directive(report) };
      },
      returnManifest: ({ envelope }, { requestHeader }) => {
        this.#admit(requestHeader, this.behaviour.refuseCalls);
        this.returned.push(envelope);
        return { kept: true };
      },
      stream: (requests, { requestHeader, signal }) => {
        const words = this.#words("stream", requestHeader, signal);
        void this.#take(requests, words);
        return words.values;
      },
      watch: (_request, { requestHeader, signal }) => {
        const words = this.#words("watch", requestHeader, signal);
        words.say({ directive: this.#directive() });
        return words.values;
      },
    };
  }

  async #take(
    requests: AsyncIterable<{ report?: Report | undefined }>,
    words: Words,
  ): Promise<void> {
    try {
      for await (const { report } of requests) {
        if (report === undefined) continue;
        this.reports.push({ over: "stream", report });
        words.say({ directive: this.#directive(report) });
      }
    } catch {
      // The device is gone.
    }
  }

  #words(rung: "stream" | "watch", header: Headers, gone: AbortSignal): Words {
    this.opened.push(rung);
    this.#admit(header, this.behaviour.refuseHeld);
    const words = new Words(() => this.behaviour.mute);
    const over = new AbortController();
    const either = AbortSignal.any([gone, over.signal]);
    const publish = () => words.say({ directive: this.#directive() });
    const end = (event: Event) => words.end((event as CustomEvent<ReasonName>).detail);
    this.#changes.addEventListener("publish", publish, { signal: either });
    this.#changes.addEventListener("end", end, { signal: either });
    either.addEventListener("abort", () => words.end(undefined));
    void (async () => {
      while (!either.aborted) {
        await delay(this.behaviour.heartbeatMs, undefined, { signal: either });
        words.say({});
      }
    })().catch(() => undefined);
    if (this.behaviour.cutAfterMs !== undefined)
      delay(this.behaviour.cutAfterMs, undefined, { signal: either }).then(
        () => this.cut(),
        () => undefined,
      );
    this.held += 1;
    either.addEventListener("abort", () => (this.held -= 1));
    words.onEnd = () => over.abort();
    return words;
  }
}

type Word = { directive?: MessageInitShape<typeof DirectiveSchema> };

class Words {
  readonly values: AsyncIterable<Word>;
  onEnd: () => void = () => undefined;
  readonly #said: Word[] = [];
  readonly #mute: () => boolean;
  #over: { readonly reason: ReasonName | undefined } | undefined;
  #changed: () => void = () => undefined;

  constructor(mute: () => boolean) {
    this.#mute = mute;
    this.values = this.#speak();
  }

  say(word: Word): void {
    if (this.#mute()) return;
    this.#said.push(word);
    this.#changed();
  }

  end(reason: ReasonName | undefined): void {
    this.#over ??= { reason };
    this.onEnd();
    this.#changed();
  }

  async *#speak() {
    for (;;) {
      const word = this.#said.shift();
      if (word !== undefined) {
        yield word.directive === undefined
          ? {}
          : { directive: create(DirectiveSchema, word.directive) };
        continue;
      }
      if (this.#over?.reason !== undefined) throw otaError(this.#over.reason, "it ends here");
      if (this.#over !== undefined) return;
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }
}
