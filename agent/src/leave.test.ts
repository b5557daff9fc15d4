import { describe, expect, test } from "vitest";

import type { Agent } from "./agent.ts";
import { parseConfig } from "./config.ts";
import { noContact } from "./contact.ts";
import { mayRebootNow, takeLeave } from "./leave.ts";
import type { Postponements } from "./ports/records.ts";
import type { Inhibition } from "./ports/supervision.ts";
import { postpone } from "./postponement.ts";
import type { Postponement } from "./postponement.ts";
import { noTrust } from "./trust.ts";

const HOUR = 3_600_000;
const NOON_S = Date.parse("2026-06-13T12:00Z") / 1000;

/** A device whose clocks and records are plain values. */
class Device {
  bootId = "a";
  ms = 0;
  wallS: number | undefined = NOON_S;
  postponed: Postponement | undefined;
  writes = 0;
  closed = false;
  inhibited = false;

  agent(config: object = {}): Agent {
    const inhibition: Inhibition = {
      close: () => (this.closed = !this.inhibited),
      reopen: () => void (this.closed = false),
      inhibitors: async () => [],
      present: async () => [],
    };
    const postponements: Postponements = {
      read: async () => this.postponed,
      replace: async (old, next) => {
        if (old !== this.postponed) return false;
        this.postponed = next;
        this.writes += 1;
        return true;
      },
    };
    const clock = {
      monotonicMs: () => this.ms,
      wallS: () => this.wallS ?? 0,
      synchronized: async () => this.wallS !== undefined,
      bootId: async () => this.bootId,
    };
    const key = "6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=";
    const file = { server: "https://ota.example.org", channel: "prod", deviceId: "fridge" };
    return {
      config: parseConfig(JSON.stringify({ ...file, publicKey: key, ...config }), ""),
      contact: noContact(),
      notebook: { trust: noTrust },
      ports: { clock, inhibition, postponements },
    } as unknown as Agent;
  }
}

const noon = { windows: [{ from: "11:30", to: "12:30" }] };
const night = { windows: [{ from: "01:00", to: "03:00" }] };

describe("leave to change the device", () => {
  test("keeps inhibitors out from then on, and only then", async () => {
    const device = new Device();
    expect(await takeLeave(device.agent(noon))).toBeUndefined();
    expect(device.closed).toBe(true);
    device.closed = false;
    expect((await takeLeave(device.agent(night)))?.reason).toContain("opens 2026-06-14T01:00:00Z");
    expect(device.closed).toBe(false);
    device.inhibited = true;
    expect((await takeLeave(device.agent(noon)))?.reason).toContain("did not say why");
  });

  test("comes by the server's clock where the own is not kept right", async () => {
    const device = new Device();
    device.wallS = undefined;
    const agent = device.agent(noon);
    expect((await takeLeave(agent))?.reason).toContain("nobody knows the time");
    agent.contact.clock = { wallS: NOON_S, atMs: 0 };
    expect(await takeLeave(agent)).toBeUndefined();
    device.ms = HOUR;
    expect((await takeLeave(agent))?.reason).toContain("opens 2026-06-14T11:30:00Z");
  });

  test("for a reboot that nobody asked for takes a window", async () => {
    const device = new Device();
    expect((await mayRebootNow(device.agent()))?.reason).toContain("none is configured");
    expect((await mayRebootNow(device.agent(night)))?.reason).toContain("waits for its window");
    expect(await mayRebootNow(device.agent(noon))).toBeUndefined();
  });
});

describe("a postponement", () => {
  test("counts on over reboots, is written seldom, and is gone when it is over", async () => {
    const device = new Device();
    device.wallS = undefined;
    device.postponed = postpone(3 * HOUR, "", { bootId: "a", ms: 0 });
    const agent = device.agent();
    const held = async () => (await takeLeave(agent)) !== undefined;
    for (device.ms = 0; device.ms < HOUR; device.ms += 60_000) expect(await held()).toBe(true);
    expect(device.writes).toBeLessThan(7);
    [device.bootId, device.ms] = ["b", HOUR];
    expect(await held()).toBe(true);
    [device.bootId, device.ms] = ["c", HOUR - 60_000];
    expect(await held()).toBe(true);
    device.ms = HOUR + 20 * 60_000;
    expect(await held()).toBe(false);
    expect(device.postponed).toBeUndefined();
  });
});
