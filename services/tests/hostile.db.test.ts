import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { brotliCompressSync, gzipSync } from "node:zlib";

import { create, toBinary } from "@bufbuild/protobuf";
import { CheckInRequestSchema } from "@nix-ota/proto/nixota/v1/checkin_service_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { createPostgresDatabase } from "./databases.testkit.ts";
import {
  attack,
  continuations,
  endlessHeader,
  headerLines,
  rapidResets,
  settingsFlood,
} from "./hostile.testkit.ts";
import { envelope, KEY, seed } from "./manifests.testkit.ts";
import { ServerProcess } from "./server-process.testkit.ts";
import { clientsOf, TestDevice } from "./server.testkit.ts";

const TOKEN = "t".repeat(40);
const PROTO = { "content-type": "application/proto" };
const JSON_TYPE = { "content-type": "application/json" };

let folder = "";
let server: ServerProcess;
let healthy: HealthyDevice;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "nix-ota-hostile-"));
  writeFileSync(join(folder, "token"), TOKEN);
  server = await ServerProcess.start(
    [
      ...["--listen", "127.0.0.1:0", "--data-dir", join(folder, "data")],
      ...["--publish-token-file", join(folder, "token")],
    ],
    {
      DATABASE_URL: await createPostgresDatabase(),
      // Garbage is collected when it has to be, not when there is time: what grows is a leak.
      NODE_OPTIONS: "--max-old-space-size=96 --max-semi-space-size=2",
    },
  );
  const { publish } = clientsOf(server.url, TOKEN);
  await publish.publish({
    envelopes: [envelope({ revision: 1n })],
    publicKeys: [{ key: KEY, name: "" }],
  });
  healthy = await HealthyDevice.start(server.url);
});
afterAll(async () => {
  await healthy[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** A device that reports all the while, and how long it waited for answers at most. */
class HealthyDevice implements AsyncDisposable {
  answers = 0;
  slowestMs = 0;
  #ended = false;
  readonly #loop: Promise<void>;

  private constructor(device: TestDevice) {
    this.#loop = this.#report(device);
    // Whoever disposes of it hears of a failure.
    this.#loop.catch(() => undefined);
  }

  static async start(url: string): Promise<HealthyDevice> {
    const device = new TestDevice(url, "healthy", seed(1));
    await device.enrol({ channel: "prod" });
    await device.authenticate();
    return new HealthyDevice(device);
  }

  async #report(device: TestDevice): Promise<void> {
    while (!this.#ended) {
      const began = performance.now();
      await device.report();
      this.slowestMs = Math.max(this.slowestMs, performance.now() - began);
      this.answers += 1;
      await sleep(100);
    }
  }

  /** Runs something and tells what the device met meanwhile. */
  async during(work: () => Promise<void>): Promise<{ answers: number; slowestMs: number }> {
    const before = this.answers;
    this.slowestMs = 0;
    await work();
    await sleep(150);
    return { answers: this.answers - before, slowestMs: this.slowestMs };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    await this.#loop;
  }
}

/** Status and error code of a POST, as curl would see them. */
async function post(
  call: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string>,
  token = TOKEN,
) {
  const response = await fetch(`${server.url}/nixota.v1.${call}`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, ...headers },
    body,
  });
  const text = await response.text();
  const code = /"code":"(\w+)"/.exec(text)?.[1];
  return code === undefined ? `${response.status}` : `${response.status} ${code}`;
}

async function largeBodies(): Promise<readonly string[]> {
  const ten = new Uint8Array(10 * 1024 * 1024).fill(0x61);
  const json = `{"channel":"${"x".repeat(10 * 1024 * 1024)}"}`;
  return [
    await post("CheckinService/ListDevices", ten, PROTO),
    await post("ChannelService/GetCurrent", json, JSON_TYPE),
    await post("PublishService/Publish", ten, PROTO),
  ];
}

async function bombs(): Promise<readonly string[]> {
  const zeros = new Uint8Array(50 * 1024 * 1024);
  return [
    await post("ChannelService/GetCurrent", gzip(zeros), { ...PROTO, "content-encoding": "gzip" }),
    await post("PublishService/Publish", gzip(zeros), { ...PROTO, "content-encoding": "gzip" }),
    await post("ChannelService/GetCurrent", new Uint8Array(brotliCompressSync(zeros)), {
      ...PROTO,
      "content-encoding": "br",
    }),
    await post("ChannelService/GetCurrent", gzip(gzip(zeros)), {
      ...PROTO,
      "content-encoding": "gzip",
    }),
    await post("ChannelService/GetCurrent", "not gzip", { ...PROTO, "content-encoding": "gzip" }),
  ];
}

function gzip(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(gzipSync(bytes));
}

async function wrongTypes(): Promise<readonly string[]> {
  return [
    await post("ChannelService/GetCurrent", "<xml/>", { "content-type": "text/xml" }),
    await post("ChannelService/GetCurrent", "a=b", {
      "content-type": "application/x-www-form-urlencoded",
    }),
    await post("ChannelService/GetCurrent", new Uint8Array(), { "content-type": "" }),
    await post("ChannelService/GetCurrent", "{}", {
      ...JSON_TYPE,
      "content-encoding": "zstd",
    }),
    await post("ChannelService/Nothing", "{}", JSON_TYPE),
    await post("NoService/GetCurrent", "{}", JSON_TYPE),
  ];
}

/** Raw connections, each of which the server has to end by itself. */
async function floods() {
  return {
    "100 000 headers": await attack(server.url, headerLines(100_000)),
    "a header without end": await attack(server.url, endlessHeader(10 * 1024 * 1024)),
    "continuations without end": await attack(server.url, continuations(100_000)),
    "rapid resets": await attack(server.url, rapidResets(10_000)),
    "settings over and over": await attack(server.url, settingsFlood(100_000)),
  };
}

/** A report cut at every place, and with every byte made another, sent by a device that may report. */
async function brokenMessages(): Promise<readonly string[]> {
  const device = new TestDevice(server.url, "broken", seed(2));
  await device.enrol({ channel: "prod" });
  const { sessionToken } = await device.authenticate();
  const report = device.next({ quarantinedRevisions: [3n] });
  const whole = toBinary(CheckInRequestSchema, create(CheckInRequestSchema, { report }));
  const seen = new Set<string>();
  for (let at = 0; at < whole.length; at += 1) {
    const changed = (mask: number) =>
      whole.map((byte, place) => (place === at ? byte ^ mask : byte));
    for (const bytes of [whole.slice(0, at), changed(0x01), changed(0xff)]) {
      seen.add(await post("CheckinService/CheckIn", new Uint8Array(bytes), PROTO, sessionToken));
    }
  }
  return [...seen].toSorted();
}

describe("beside a healthy device", () => {
  /** The device was answered all the while, and never had to wait long. */
  const served = {
    answers: expect.toSatisfy((count: number) => count > 0),
    slowestMs: expect.toSatisfy((ms: number) => ms < 5_000),
  };

  test("bodies of 10 MB are refused by their size", async () => {
    let seen: readonly string[] = [];
    const met = await healthy.during(async () => {
      seen = await largeBodies();
    });
    expect(seen).toEqual([
      "429 resource_exhausted",
      "429 resource_exhausted",
      "429 resource_exhausted",
    ]);
    expect(met).toEqual(served);
  });

  test("decompression bombs are refused before they are unpacked", async () => {
    let seen: readonly string[] = [];
    const met = await healthy.during(async () => {
      seen = await bombs();
    });
    expect(seen).toEqual([
      "429 resource_exhausted",
      "429 resource_exhausted",
      "429 resource_exhausted",
      // Unpacked once it is small, and no message.
      "400 invalid_argument",
      "400 invalid_argument",
    ]);
    expect(met).toEqual(served);
  });

  test("wrong content types, encodings and paths are answered by HTTP", async () => {
    expect(await wrongTypes()).toEqual(["415", "415", "415", "501 unimplemented", "404", "404"]);
  });

  test("header floods, continuations, resets and settings end their own connection only", async () => {
    let seen = {};
    const met = await healthy.during(async () => {
      seen = await floods();
    });
    expect(seen).toMatchObject({
      "100 000 headers": { cut: true },
      "a header without end": { cut: true },
      "continuations without end": { cut: true },
      "rapid resets": { cut: true },
      "settings over and over": { cut: true },
    });
    expect(met).toEqual(served);
  });

  test("truncated and altered messages are refused, never a defect", async () => {
    // Some are reports still, and one names another device.
    expect(await brokenMessages()).toEqual([
      "200",
      "400 invalid_argument",
      "403 permission_denied",
    ]);
  });

  test("slow headers and slow bodies are cut while the device is served", async () => {
    const reports: string[] = [];
    const met = await healthy.during(async () => {
      for (const mode of ["-H", "-B"]) reports.push(await slowHttpTest(mode));
    });
    for (const report of reports) {
      expect(report).toMatch(/service available:\s+YES/);
      expect(report).toMatch(/No open connections left/);
    }
    expect(met).toEqual(served);
  }, 120_000);

  test("memory stays flat within a fifth", async () => {
    const round = async () => {
      await largeBodies();
      await bombs();
      await floods();
      await brokenMessages();
    };
    const rounds = async (count: number) => {
      const seen: number[] = [];
      for (let number = 0; number < count; number += 1) {
        await round();
        seen.push(residentMb(server.pid));
      }
      return seen;
    };
    // Until heap and code have the size that such rounds need.
    await rounds(3);
    const before = Math.max(...(await rounds(3)));
    const after = await rounds(6);

    expect(Math.min(...after.slice(-3)), `${before} MB, then ${after.join(", ")}`).toBeLessThan(
      1.2 * before,
    );
  }, 240_000);

  test("no attack was a defect in the log", () => {
    const levels = server.log.filter(({ level }) => Number(level) >= 50);
    expect(levels).toEqual([]);
  });
});

/** The known tool against a page of the server; what it says at its end. */
async function slowHttpTest(mode: string): Promise<string> {
  const child = spawn(
    "slowhttptest",
    [mode, ..."-c 300 -r 150 -i 3 -l 30 -p 5 -u".split(" "), `${server.url}/healthz`],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let text = "";
  child.stdout.on("data", (bytes: Buffer) => {
    text = (text + bytes.toString("utf8")).slice(-20_000);
  });
  await once(child, "close");
  // oxlint-disable-next-line no-control-regex -- the tool colours its words
  return text.replaceAll(/\x1b\[[0-9;]*[A-Za-z]/g, "");
}

function residentMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Math.round(Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024);
}
