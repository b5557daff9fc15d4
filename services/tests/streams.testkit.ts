import { once } from "node:events";
import * as http2 from "node:http2";

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createClient, type Client, type Transport } from "@connectrpc/connect";
import { createConnectTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { HoldReasonSchema } from "@nix-ota/proto/nixota/v1/channel_pb";
import {
  CheckinService,
  WatchRequestSchema,
  WatchResponseSchema,
} from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import type { Directive, Report } from "@nix-ota/proto/nixota/v1/device_pb";

/** An HTTP/2 connection that many devices may share, as behind a proxy. */
export class Connection implements Disposable {
  readonly #url: string;
  readonly #sessions: Http2SessionManager;

  constructor(url: string) {
    this.#url = url;
    this.#sessions = new Http2SessionManager(url);
  }

  /** A client with a device's session. */
  checkin(token: string): Client<typeof CheckinService> {
    return createClient(
      CheckinService,
      bearing(token, (interceptors) =>
        createConnectTransport({
          baseUrl: this.#url,
          httpVersion: "2",
          sessionManager: this.#sessions,
          interceptors,
        }),
      ),
    );
  }

  [Symbol.dispose](): void {
    this.#sessions.abort();
  }
}

type Interceptors = NonNullable<Parameters<typeof createConnectTransport>[0]["interceptors"]>;

function bearing(token: string, make: (interceptors: Interceptors) => Transport): Transport {
  return make([
    (next) => (request) => {
      request.header.set("authorization", `Bearer ${token}`);
      return next(request);
    },
  ]);
}

/** One end of a stream: reports go out, directives come in. */
export class OpenStream implements AsyncDisposable {
  readonly #reports = new Mailbox<Report>();
  readonly #abort = new AbortController();
  readonly #responses: AsyncIterator<{ directive?: Directive | undefined }>;

  private constructor(
    open: (
      reports: AsyncIterable<{ report: Report }>,
      signal: AbortSignal,
    ) => AsyncIterable<{ directive?: Directive | undefined }>,
  ) {
    this.#responses = open(wrapped(this.#reports), this.#abort.signal)[Symbol.asyncIterator]();
  }

  static stream(client: Client<typeof CheckinService>): OpenStream {
    return new OpenStream((reports, signal) => client.stream(reports, { signal }));
  }

  static watch(client: Client<typeof CheckinService>, deviceId: string): OpenStream {
    return new OpenStream((_reports, signal) => client.watch({ deviceId }, { signal }));
  }

  send(report: Report): void {
    this.#reports.put(report);
  }

  /** The device reports no more. */
  finish(): void {
    this.#reports.close();
  }

  /** The next message; undefined for a heartbeat. @throws What ends the stream. */
  async message(): Promise<Directive | undefined> {
    const next = await this.#responses.next();
    if (next.done === true) throw new Error("the stream ended well");
    return next.value.directive;
  }

  /** The next directive, past heartbeats. */
  async directive(): Promise<Directive> {
    for (;;) {
      const directive = await this.message();
      if (directive !== undefined) return directive;
    }
  }

  /** How it ends, past whatever comes before. Undefined: well. */
  async end(): Promise<unknown> {
    try {
      for (;;) if ((await this.#responses.next()).done === true) return undefined;
    } catch (error) {
      return error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    this.#reports.close();
    await this.end();
  }
}

async function* wrapped(reports: AsyncIterable<Report>) {
  for await (const report of reports) yield { report };
}

/** An endless list whose reader waits for what is put into it. */
class Mailbox<T> implements AsyncIterable<T> {
  readonly #items: T[] = [];
  #closed = false;
  #wake: () => void = () => undefined;

  put(item: T): void {
    this.#items.push(item);
    this.#wake();
  }

  close(): void {
    this.#closed = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      const item = this.#items.shift();
      if (item !== undefined) yield item;
      else if (this.#closed) return;
      else {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#wake = resolve;
        await promise;
      }
    }
  }
}

/** What a directive says of the head, as words: `offer r5`, `hold PAUSED`. */
export function wordOf({ verdict }: Directive): string {
  if (verdict.case === "offer") return `offer r${verdict.value.revision}`;
  return `hold ${HoldReasonSchema.value[verdict.value?.reason ?? 0]?.localName}`;
}

/** A device that watches over HTTP/2 and lets nothing through until it is told to. */
export class StalledReader implements AsyncDisposable {
  readonly #closed: Promise<unknown>;
  readonly #session: http2.ClientHttp2Session;
  readonly #stream: http2.ClientHttp2Stream;

  private constructor(session: http2.ClientHttp2Session, stream: http2.ClientHttp2Stream) {
    this.#session = session;
    this.#stream = stream;
    stream.on("error", () => undefined);
    this.#closed = new Promise((resolve) => stream.once("close", resolve));
  }

  /** Resolves when the server has something to write. */
  static async watch(url: string, token: string, deviceId: string): Promise<StalledReader> {
    const session = http2.connect(url, { settings: { initialWindowSize: 0 } });
    const stream = session.request({
      ":method": "POST",
      ":path": "/nixota.v1.CheckinService/Watch",
      "content-type": "application/connect+proto",
      authorization: `Bearer ${token}`,
    });
    const body = toBinary(WatchRequestSchema, create(WatchRequestSchema, { deviceId }));
    stream.end(Buffer.from(encodeEnvelope(0, body)));
    const reader = new StalledReader(session, stream);
    await once(stream, "response");
    return reader;
  }

  /** Begins to read; so many directives. */
  async read(count: number): Promise<readonly Directive[]> {
    this.#session.settings({ initialWindowSize: 65_535 });
    const directives: Directive[] = [];
    let bytes = Buffer.alloc(0);
    const chunks: AsyncIterable<Buffer> = this.#stream;
    for await (const chunk of chunks) {
      bytes = Buffer.concat([bytes, chunk]);
      while (bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt32BE(1)) {
        const end = 5 + bytes.readUInt32BE(1);
        const { directive } = fromBinary(WatchResponseSchema, bytes.subarray(5, end));
        bytes = bytes.subarray(end);
        if (directive !== undefined) directives.push(directive);
        if (directives.length === count) return directives;
      }
    }
    throw new Error("the stream ended");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#session.destroy();
    await this.#closed;
  }
}
