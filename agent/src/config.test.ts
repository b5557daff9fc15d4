import { describe, expect, test } from "vitest";

import { parseConfig } from "./config.ts";

const KEY = "release:6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=";
const minimal = {
  server: "https://ota.example.org/",
  channel: "prod",
  deviceId: "fridge",
  publicKey: KEY,
  cacheUrl: "https://cache.example.org",
  cachePublicKey: "cache-1:6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=",
};
const MACHINE = "0123456789abcdef0123456789abcdef";

const errorsOf = (file: unknown): string[] => {
  try {
    parseConfig(JSON.stringify(file), MACHINE);
    return [];
  } catch (cause) {
    return String((cause as Error).message).split("\n");
  }
};

describe("the configuration", () => {
  test("takes the eight names of the NixOS module and fills in the rest", () => {
    const config = parseConfig(JSON.stringify(minimal), MACHINE);
    expect(config).toMatchObject({
      server: "https://ota.example.org",
      activation: "prove-first",
      threshold: 1,
      target: "",
      caches: ["https://cache.example.org", "https://cache.nixos.org"],
      stateDir: "/var/lib/nix-ota",
      settings: {
        probation: { limitMs: 300_000, passes: 2, passIntervalMs: 10_000, runMs: 60_000 },
        fetch: { stallMs: 120_000, minBytesPerS: 1024, rateWindowMs: 300_000, totalMs: 21_600_000 },
        activation: { limitMs: 900_000, busyTries: 10, busyWaitMs: 30_000 },
        poll: { minMs: 5000, maxMs: 86_400_000 },
      },
    });
    expect(config.publicKeys).toHaveLength(1);
  });

  test("names every error at once", () => {
    const errors = errorsOf({
      ...minimal,
      server: "http://ota.example.org",
      publicKey: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
      extraSubstituters: ["http://cache.example.org"],
    });
    expect(errors.map((line) => line.split(" ")[0])).toEqual(["server", "cache", "publicKey"]);
    expect(
      errorsOf({ channel: "No", settings: { probation: { limit: 3 } } }).length,
    ).toBeGreaterThan(2);
  });

  test("refuses a cache URL that would switch signatures off", () => {
    expect(
      errorsOf({ ...minimal, cacheUrl: "https://cache.example.org?trusted=true" })[0],
    ).toContain("cacheUrl");
  });

  test("counts a key given twice once, so that a threshold cannot be met by repeating it", () => {
    expect(errorsOf({ ...minimal, publicKeys: [KEY], threshold: 2 })[0]).toContain("threshold");
  });

  test("makes an id from the machine id where none is configured, without giving that away", () => {
    const { deviceId } = parseConfig(JSON.stringify({ ...minimal, deviceId: null }), MACHINE);
    expect(deviceId).toMatch(/^device-[0-9a-f]{24}$/);
    expect(deviceId).not.toContain(MACHINE.slice(0, 8));
  });

  test("takes the id from a file that the configuration names, before the machine's", () => {
    const file = JSON.stringify({ ...minimal, deviceId: null, deviceIdFile: "/etc/id" });
    const id = (text: string | undefined) => parseConfig(file, MACHINE, () => text).deviceId;
    expect(id("fridge-7\n")).toBe("fridge-7");
    expect(() => id(undefined)).toThrow("write the device's id into it");
    expect(() => id("Fridge 7")).toThrow("holds no id");
    const both = JSON.stringify({ ...minimal, deviceIdFile: "/etc/id" });
    expect(parseConfig(both, MACHINE, () => "fridge-7").deviceId).toBe("fridge");
  });
});
