import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import type { Certificate } from "./certificate.ts";
import { HarnessError } from "./harness-error.ts";
import { ProcessHandle } from "./process-handle.ts";

/** Where a proxy stands. */
export type ProxyPlace = {
  readonly port: number;
  /** Of the server behind it. */
  readonly upstreamPort: number;
  readonly certificate: Certificate;
};

/** How a proxy is set up: the lines that differ from one to the next. */
export type ProxySetUp =
  | {
      readonly program: "nginx";
      /** Parameters of `listen` beside the address. */
      readonly listen: string;
      /** Directives of the one location; `UPSTREAM` stands for the server's address. */
      readonly location: readonly string[];
    }
  | {
      readonly program: "haproxy";
      /** Parameters of `bind` and of `server` beside the address. */
      readonly bind: string;
      readonly server: string;
      /** Lines of `defaults`; those of the same name are replaced. */
      readonly defaults?: readonly string[];
    };

/** A proxy from Debian's packages in front of the server, with TLS, as an ordinary process. */
export class Proxy implements AsyncDisposable {
  readonly url: string;
  readonly #handle: ProcessHandle;

  private constructor(url: string, handle: ProcessHandle) {
    this.url = url;
    this.#handle = handle;
  }

  static async start(dir: string, place: ProxyPlace, setUp: ProxySetUp): Promise<Proxy> {
    await mkdir(dir, { recursive: true });
    const file = join(dir, `${setUp.program}.conf`);
    const text =
      setUp.program === "nginx" ? nginxFile(dir, place, setUp) : haproxyFile(place, setUp);
    await writeFile(file, text);
    const argv =
      setUp.program === "nginx"
        ? ["/usr/sbin/nginx", "-p", dir, "-c", file, "-e", join(dir, "error.log")]
        : ["/usr/sbin/haproxy", "-db", "-f", file];
    // nginx's worker would outlive a master that was killed.
    const handle = await ProcessHandle.start(argv, { orphanSignal: "SIGTERM" });
    await answers(place.port, handle);
    return new Proxy(`https://127.0.0.1:${place.port}`, handle);
  }

  /** Without a word to anybody. nginx's worker goes with its master's process group. */
  async kill(): Promise<void> {
    this.#handle.killGroup("SIGKILL");
    await this.#handle.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.stop();
  }
}

function nginxFile(
  dir: string,
  { port, upstreamPort, certificate }: ProxyPlace,
  { listen, location }: Extract<ProxySetUp, { program: "nginx" }>,
): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${dir}/${name};`,
  );
  return [
    "daemon off;",
    "worker_processes 1;",
    `pid ${dir}/nginx.pid;`,
    "events { worker_connections 256; }",
    "http {",
    "access_log off;",
    ...temporary,
    "server {",
    `listen 127.0.0.1:${port} ssl ${listen};`,
    `ssl_certificate ${certificate.certificate};`,
    `ssl_certificate_key ${certificate.key};`,
    "location / {",
    ...location.map((line) => `${line.replace("UPSTREAM", `127.0.0.1:${upstreamPort}`)};`),
    "}",
    "}",
    "}",
    "",
  ].join("\n");
}

function haproxyFile(
  { port, upstreamPort, certificate }: ProxyPlace,
  { bind, server, defaults = [] }: Extract<ProxySetUp, { program: "haproxy" }>,
): string {
  return [
    "global",
    "  maxconn 256",
    "defaults",
    ...[
      "mode http",
      "timeout connect 5s",
      "timeout client 1m",
      "timeout server 1m",
      ...defaults,
    ].map((line) => `  ${line}`),
    "frontend devices",
    `  bind 127.0.0.1:${port} ssl crt ${certificate.bundle} ${bind}`,
    "  default_backend ota",
    "backend ota",
    `  server ota 127.0.0.1:${upstreamPort} ${server}`,
    "",
  ].join("\n");
}

async function answers(port: number, handle: ProcessHandle): Promise<void> {
  for (let tries = 0; tries < 400 && handle.exit === undefined; tries += 1) {
    const socket = connect(port, "127.0.0.1");
    try {
      await once(socket, "connect");
      return;
    } catch {
      await delay(25);
    } finally {
      socket.destroy();
    }
  }
  const said = handle.stderr().slice(-2000);
  await handle.stop();
  throw new HarnessError("not-ready", `${handle.argv[0]} does not listen; it said: ${said}`);
}
