import type { Socket } from "node:net";

/** One request with a body, over a connection of its own. */
export interface Post {
  readonly url: URL;
  /** PEM of the authorities that may vouch for the server; undefined: the well-known ones. */
  readonly ca: Buffer | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** For the whole exchange. */
  readonly timeoutMs: number;
  /** Headers and body together. */
  readonly answerLimitBytes: number;
}

const HEAD_END = "\r\n\r\n";

/**
 * The body of an answer with status 200; rejects with everything else.
 *
 * Over HTTP/1.0 (RFC 1945), in which an answer ends with its connection: that leaves nothing to
 * parse but the status. Node's HTTP client would take as long to load as all the rest of a poll.
 */
export async function postOnce(post: Post): Promise<string> {
  const socket = open(post);
  const timer = setTimeout(() => socket.destroy(new Error("no answer in time")), post.timeoutMs);
  try {
    return bodyOf(await exchange(socket, requestOf(post), post.answerLimitBytes));
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

function open({ url, ca }: Post): Socket {
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  // Only the one that is needed is loaded.
  if (url.protocol === "https:") {
    const tls = process.getBuiltinModule("node:tls");
    const named = /^[\d.]+$|:/.test(host) ? {} : { servername: host };
    return tls.connect({ host, port: Number(url.port || 443), ca, ...named });
  }
  return process.getBuiltinModule("node:net").connect({ host, port: Number(url.port || 80) });
}

function requestOf({ url, headers, body }: Post): string {
  const all = { host: url.host, ...headers, "content-length": String(Buffer.byteLength(body)) };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST ${url.pathname} HTTP/1.0\r\n${lines.join("")}\r\n${body}`;
}

async function exchange(socket: Socket, request: string, limitBytes: number): Promise<string> {
  return await new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    socket.on("error", reject);
    socket.on("data", (part: Buffer) => {
      bytes += part.length;
      parts.push(part);
      if (bytes > limitBytes) socket.destroy(new Error("the answer is too long"));
    });
    socket.on("end", () => resolve(Buffer.concat(parts).toString("utf8")));
    socket.on("close", () => reject(new Error("the connection broke")));
    // Waits for the connection, and over TLS until it is known who is at the other end.
    socket.write(request);
  });
}

function bodyOf(answer: string): string {
  const end = answer.indexOf(HEAD_END);
  if (end === -1 || !/^HTTP\/1\.[01] 200 /.test(answer)) throw new Error(answer.slice(0, 100));
  return answer.slice(end + HEAD_END.length);
}
