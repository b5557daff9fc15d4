import { once } from "node:events";
import * as http2 from "node:http2";
import * as net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

import { CheckinService } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";

import { connectHandler } from "./connect-handler.ts";
import { listen, type Listener } from "./listener.ts";

const CHALLENGE = "/nixota.v1.CheckinService/CreateChallenge";
const WATCH = "/nixota.v1.CheckinService/Watch";

let listener: Listener;
let lines: string[];
let logged = Promise.withResolvers<string>();
beforeEach(async () => {
  lines = [];
  logged = Promise.withResolvers();
  const log = pino(
    { level: "debug" },
    {
      write(line: string) {
        lines.push(line);
        logged.resolve(line);
      },
    },
  );
  const handler = connectHandler({
    log,
    stalledMs: 200,
    fallback(request, response) {
      response.end(new URL("/", `http://${request.headers.host ?? ""}`).host);
    },
    routes(router) {
      router.rpc(CheckinService.method.createChallenge, () => ({}));
      router.rpc(CheckinService.method.watch, async function* () {
        // More than any buffer on the way takes.
        for (;;)
          yield { directive: { acknowledgedEventIds: Array<string>(1_000).fill("x".repeat(99)) } };
      });
    },
  });
  listener = await listen(
    { host: "127.0.0.1", port: 0 },
    { handler, isStream: (url) => url === WATCH },
  );
});
afterEach(async () => {
  await listener.close(1_000);
});

async function answerTo(request: string): Promise<string> {
  const socket = net.connect(listener.port, "127.0.0.1");
  let answer = "";
  socket.on("data", (bytes) => (answer += bytes.toString()));
  socket.end(request);
  await once(socket, "close");
  return answer.slice(0, 12);
}

test.each([
  ["none", "HTTP/1.0", ""],
  ["one that is no host", "HTTP/1.1", "host: [\r\n"],
])("a request for %s is refused, and the next one served", async (_title, version, host) => {
  const body = "content-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
  expect(await answerTo(`POST ${CHALLENGE} ${version}\r\n${host}${body}`)).toBe("HTTP/1.1 400");
  expect(await answerTo(`POST /checkin ${version}\r\n${host}${body}`)).toBe("HTTP/1.1 400");
  const good = `POST ${CHALLENGE} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${body}`;
  expect(await answerTo(good)).toBe("HTTP/1.1 200");
});

test("a request over HTTP/2 for what is no host is refused as well", async () => {
  const session = http2.connect(`http://127.0.0.1:${listener.port}`);
  const stream = session.request({ ":method": "POST", ":path": CHALLENGE, ":authority": "[" });
  const [headers] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
  expect(headers[":status"]).toBe(400);
  session.destroy();
});

/** What asks for an endless stream. */
const ASKED = Buffer.concat([Buffer.from([0, 0, 0, 0, 5, 10, 3]), Buffer.from("gw1")]);
const HEADERS = { "content-type": "application/connect+proto" };

function watching(): Buffer {
  const lines = [
    `POST ${WATCH} HTTP/1.1`,
    "host: x",
    `content-type: ${HEADERS["content-type"]}`,
    `content-length: ${ASKED.length}`,
  ];
  return Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`), ASKED]);
}

test("a reader that reads nothing is cut, over HTTP/1.1 and HTTP/2", async () => {
  const socket = net.connect(listener.port, "127.0.0.1").pause();
  socket.write(watching());
  expect(JSON.parse(await logged.promise)).toMatchObject({
    level: 20,
    msg: "an answer was not delivered",
    err: { message: "the caller reads nothing" },
  });
  socket.destroy();

  const session = http2.connect(`http://127.0.0.1:${listener.port}`, {
    settings: { initialWindowSize: 0 },
  });
  const stream = session.request({ ":method": "POST", ":path": WATCH, ...HEADERS });
  stream.on("error", () => undefined).end(ASKED);
  await new Promise((resolve) => stream.once("close", resolve));
  expect(stream.rstCode).toBe(http2.constants.NGHTTP2_CANCEL);
  session.destroy();
});

test("a caller that goes away in the middle of an answer is told of in the log alone", async () => {
  const socket = net.connect(listener.port, "127.0.0.1");
  socket.write(watching());
  await once(socket, "data");
  socket.destroy();
  expect(JSON.parse(await logged.promise)).toMatchObject({
    level: 20,
    msg: "an answer was not delivered",
    call: "nixota.v1.CheckinService/Watch",
  });
});

test("a connection does not end under a caller who is answered before they sent all", async () => {
  const socket = net.connect(listener.port, "127.0.0.1");
  let heard = "";
  socket.on("data", (bytes) => (heard += bytes.toString()));
  const ended = once(socket, "close");
  socket.write(
    `POST ${CHALLENGE} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: text/xml\r\ncontent-length: 6\r\n\r\n`,
  );
  await once(socket, "data");
  expect(heard).toMatch(/^HTTP\/1\.1 415/);
  const early = await Promise.race([ended.then(() => "ended"), sleep(100, "open")]);
  expect(early).toBe("open");
  socket.write("<xml/>");
  await ended;
});
