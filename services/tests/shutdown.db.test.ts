import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { createPostgresDatabase, DATABASES } from "./databases.testkit.ts";
import { seed } from "./manifests.testkit.ts";
import { ServerProcess } from "./server-process.testkit.ts";
import { clientsOf, TestDevice } from "./server.testkit.ts";

const TOKEN = "t".repeat(40);
const DEVICES = 12;

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "nix-ota-shutdown-"));
  writeFileSync(join(folder, "token"), TOKEN);
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe.each(DATABASES)("told to end under load on %s", (kind) => {
  test("the server answers what it took, ends in time and keeps what it acknowledged", async () => {
    const env: Record<string, string> =
      kind === "postgresql" ? { DATABASE_URL: await createPostgresDatabase() } : {};
    const files = [
      "--data-dir",
      join(folder, "data"),
      "--publish-token-file",
      join(folder, "token"),
    ];
    const argv = ["--listen", "127.0.0.1:0", ...files];
    const acknowledged: string[] = [];
    {
      await using server = await ServerProcess.start(argv, env);
      const devices = await Promise.all(
        Array.from({ length: DEVICES }, async (_, index) => {
          const device = new TestDevice(server.url, `gw-${index}`, seed(index + 1));
          await device.enrol({ channel: "prod" });
          await device.authenticate();
          return device;
        }),
      );
      const refusals: ConnectError[] = [];
      const loaded = Promise.withResolvers<void>();
      const loads = devices.map(async (device) => {
        try {
          for (let number = 1; ; number += 1) {
            const message = `${device.id}-${number}`;
            const id = Buffer.from(message.padStart(10, "-")).toString("hex");
            await device.report({ events: [{ id, message, number: BigInt(number) }] });
            acknowledged.push(message);
            if (acknowledged.length === 10 * DEVICES) loaded.resolve();
          }
        } catch (error) {
          refusals.push(ConnectError.from(error));
        }
      });
      await loaded.promise;
      const began = performance.now();
      expect(await server.end("SIGTERM")).toBe(0);
      expect(performance.now() - began).toBeLessThan(25_000);
      await Promise.all(loads);
      // No call was left hanging, and none was told anything but to come back.
      const codes = new Set(refusals.map(({ code }) => Code[code]));
      expect(codes).toEqual(new Set(["Unavailable"]));
      expect(server.log.map(({ msg }) => msg)).toEqual([
        "database ready",
        "listening",
        "ending",
        "ended",
      ]);
    }
    await using server = await ServerProcess.start(argv, env);
    const { checkin } = clientsOf(server.url, TOKEN);
    const kept: string[] = [];
    for (let index = 0; index < DEVICES; index += 1) {
      for (let cursor = "", first = true; first || cursor !== ""; first = false) {
        const page = await checkin.listDeviceEvents({
          deviceId: `gw-${index}`,
          pageSize: 500,
          cursor,
        });
        kept.push(...page.events.map(({ message }) => message));
        cursor = page.nextCursor;
      }
    }
    expect(kept).toEqual(expect.arrayContaining(acknowledged));
    expect(await server.end("SIGTERM")).toBe(0);
  });
});
