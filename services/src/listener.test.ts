import { once } from "node:events";
import * as http2 from "node:http2";
import * as net from "node:net";

import { expect, test } from "vitest";

import { LIMITS } from "./limits.ts";
import { listen } from "./listener.ts";

/** More than the sockets of both ends hold. */
const ANSWER = Buffer.alloc(LIMITS.answerBytes);

test("an answer that nobody reads is given up, over HTTP/1.1 and HTTP/2", async () => {
  const given = { h1: Promise.withResolvers<void>(), h2: Promise.withResolvers<void>() };
  const listener = await listen(
    { host: "127.0.0.1", port: 0 },
    {
      isStream: () => false,
      handler(request, response) {
        const { resolve } = given[request.httpVersionMajor === 1 ? "h1" : "h2"];
        response.once("close", resolve);
        response.end(ANSWER);
      },
    },
    { ...LIMITS, answerMs: 200 },
  );
  const socket = net.connect(listener.port, "127.0.0.1").pause();
  const session = http2.connect(`http://127.0.0.1:${listener.port}`, {
    settings: { initialWindowSize: 0 },
  });
  try {
    await once(socket, "connect");
    socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    const stream = session.request({ ":path": "/" }).on("error", () => undefined);
    await Promise.all([given.h1.promise, given.h2.promise]);
    expect([socket.readableFlowing, stream.readableLength]).toEqual([false, 0]);
  } finally {
    socket.destroy();
    session.destroy();
    await listener.close(1_000);
  }
});

test("a stream outlives the limits of ordinary answers and bodies, over HTTP/1.1 and HTTP/2", async () => {
  const listener = await listen(
    { host: "127.0.0.1", port: 0 },
    {
      isStream: (url) => url === "/stream",
      handler(_request, response) {
        response.write("a");
        setTimeout(() => response.end("b"), 600);
      },
    },
    { ...LIMITS, answerMs: 100, requestMs: 100, headersMs: 100 },
  );
  const session = http2.connect(`http://127.0.0.1:${listener.port}`);
  try {
    // A body without an end, as the reports of a device are.
    const heard = session.request({ ":method": "POST", ":path": "/stream" }, { endStream: false });
    const [answer, bytes] = await Promise.all([
      fetch(`http://127.0.0.1:${listener.port}/stream`).then(async (got) => await got.text()),
      heard.setEncoding("utf8").toArray(),
    ]);
    expect([answer, bytes.join("")]).toEqual(["ab", "ab"]);
  } finally {
    session.destroy();
    await listener.close(1_000);
  }
});
