import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as tls from "node:tls";

import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { AccessService } from "@nix-ota/proto/nixota/v1/access_service_pb";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";

import { startCertificateRenewal } from "../src/certificate-renewal.ts";
import { LIMITS } from "../src/limits.ts";
import { listen } from "../src/listener.ts";
import { readTlsIdentity, type TlsFiles, type TlsIdentity } from "../src/tls-identity.ts";
import { makeCertificate } from "./certificate.testkit.ts";
import { createPostgresDatabase } from "./databases.testkit.ts";
import { ServerProcess } from "./server-process.testkit.ts";

const TOKEN = "t".repeat(40);

let folder = "";
let first: TlsFiles;
let second: TlsFiles;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "nix-ota-tls-"));
  first = makeCertificate(folder, "first");
  second = makeCertificate(folder, "second");
  writeFileSync(join(folder, "token"), TOKEN);
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function identity(files: TlsFiles): TlsIdentity {
  const read = readTlsIdentity(files);
  if (typeof read === "string") throw new Error(read);
  return read;
}

/** Common name of the certificate that a port shows. */
async function shownBy(port: number, options: tls.ConnectionOptions = {}): Promise<string> {
  const socket = tls.connect({ port, host: "127.0.0.1", rejectUnauthorized: false, ...options });
  try {
    await once(socket, "secureConnect");
    return String(socket.getPeerCertificate().subject.CN);
  } finally {
    socket.destroy();
  }
}

function replace(files: TlsFiles, by: TlsFiles): void {
  copyFileSync(by.cert, files.cert);
  copyFileSync(by.key, files.key);
}

test("HTTP/1.1 and HTTP/2 come by ALPN on one port, and a signal brings the renewed certificate", async () => {
  const files = { cert: join(folder, "live.crt"), key: join(folder, "live.key") };
  replace(files, first);
  const argv = ["--listen", "127.0.0.1:0", "--data-dir", join(folder, "data")];
  await using server = await ServerProcess.start(
    [
      ...[...argv, "--publish-token-file", join(folder, "token")],
      ...["--tls-cert", files.cert, "--tls-key", files.key],
    ],
    { DATABASE_URL: await createPostgresDatabase() },
  );
  expect(server.url).toMatch(/^https:/);
  const port = Number(new URL(server.url).port);
  const nodeOptions = { ca: [readFileSync(first.cert), readFileSync(second.cert)] };
  const names = async () =>
    await Promise.all(
      [
        createConnectTransport({ baseUrl: server.url, httpVersion: "1.1", nodeOptions }),
        createConnectTransport({ baseUrl: server.url, httpVersion: "2", nodeOptions }),
        createGrpcTransport({ baseUrl: server.url, nodeOptions }),
      ].map(async (transport) => {
        const headers = { authorization: `Bearer ${TOKEN}` };
        return (await createClient(AccessService, transport).getCaller({}, { headers })).name;
      }),
    );
  expect(await names()).toEqual(["publish-token", "publish-token", "publish-token"]);
  const curl = (...more: readonly string[]) =>
    spawnSync("curl", ["-sS", "-w", "%{http_version} %{http_code}", "-o", "/dev/null", ...more], {
      encoding: "utf8",
      timeout: 20_000,
    }).stdout;
  const page = [`${server.url}/healthz`, "--cacert", first.cert];
  expect(curl(...page)).toBe("2 200");
  expect(curl(...page, "--http1.1")).toBe("1.1 200");
  expect(curl(...page, "--no-alpn")).toBe("1.1 200");
  expect(curl(`http://127.0.0.1:${port}/healthz`)).toMatch(/ 000$/);

  expect(await shownBy(port)).toBe("first");
  replace(files, second);
  process.kill(server.pid, "SIGHUP");
  for (let look = 0; look < 500 && (await shownBy(port)) === "first"; look += 1) await sleep(20);
  expect(await shownBy(port)).toBe("second");
  expect(server.log.map(({ msg }) => msg)).toContain("certificate renewed");
  expect(await names()).toEqual(["publish-token", "publish-token", "publish-token"]);
  expect(await server.end("SIGTERM")).toBe(0);
});

test("renewed files are found by themselves; half of a pair changes nothing and is told once", async () => {
  const files = { cert: join(folder, "half.crt"), key: join(folder, "half.key") };
  replace(files, first);
  const told: string[] = [];
  const complained = Promise.withResolvers<void>();
  const renewed = Promise.withResolvers<TlsIdentity>();
  const renewal = startCertificateRenewal({
    shown: identity(files),
    use: renewed.resolve,
    log: pino(
      { base: null },
      {
        write(line: string) {
          told.push((JSON.parse(line) as { msg: string }).msg);
          complained.resolve();
        },
      },
    ),
    everyMs: 5,
    nowMs: () => Date.now(),
  });
  try {
    copyFileSync(second.cert, files.cert);
    await complained.promise;
    renewal.look();
    expect(told).toEqual([expect.stringMatching(/does not belong .* is shown still$/)]);
    copyFileSync(second.key, files.key);
    expect((await renewed.promise).digest).toBe(identity(files).digest);
    expect(told[1]).toBe("certificate renewed");
  } finally {
    renewal.stop();
  }
});

test("a certificate that is out of date is shown and complained of", () => {
  const told: unknown[] = [];
  const shown = identity(first);
  startCertificateRenewal({
    shown,
    use: () => undefined,
    log: pino({ base: null }, { write: (line: string) => told.push(JSON.parse(line)) }),
    everyMs: 60_000,
    nowMs: () => shown.notAfter.getTime() + 1,
  }).stop();
  expect(told).toMatchObject([{ level: 50, msg: expect.stringContaining("out of date") }]);
});

test("files that make no certificate are refused with what to do, and without what they hold", () => {
  const mixed = { cert: first.cert, key: second.key };
  const swapped = { cert: first.key, key: first.cert };
  const open = { cert: first.cert, key: join(folder, "open.key") };
  copyFileSync(first.key, open.key);
  chmodSync(open.key, 0o644);
  chmodSync(swapped.key, 0o600);
  expect([mixed, swapped, open, { cert: "/none", key: "/none" }].map(readTlsIdentity)).toEqual([
    expect.stringMatching(/second.key does not belong to the first certificate/),
    expect.stringMatching(/first.key holds no PEM certificate$/),
    expect.stringMatching(/open to every user; close it with: chmod o= /),
    expect.stringMatching(/^the TLS files cannot be read: ENOENT/),
  ]);
});

test("who begins a handshake and says no more is cut, as is who does so after it", async () => {
  const listener = await listen(
    { host: "127.0.0.1", port: 0, tls: identity(first) },
    { handler: (_request, response) => void response.end("ok"), isStream: () => false },
    { ...LIMITS, firstBytesMs: 300 },
  );
  const silent = net.connect(listener.port, "127.0.0.1");
  const shaken = tls.connect({ port: listener.port, rejectUnauthorized: false });
  try {
    await Promise.all([once(silent, "connect"), once(shaken, "secureConnect")]);
    await Promise.all([once(silent.resume(), "close"), once(shaken.resume(), "close")]);
    listener.useCertificate(identity(second));
    expect(await shownBy(listener.port)).toBe("second");
    expect(await listener.close(5_000)).toBe(true);
  } finally {
    silent.destroy();
    shaken.destroy();
  }
});
