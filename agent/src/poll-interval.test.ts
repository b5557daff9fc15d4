import { expect, test } from "vitest";

import { parseConfig } from "./config.ts";
import type { Contact } from "./contact.ts";
import { noContact } from "./contact.ts";
import { pollMs } from "./poll-interval.ts";

const config = parseConfig(
  JSON.stringify({
    server: "https://ota.example.org",
    channel: "prod",
    deviceId: "fridge",
    publicKey: "release:6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=",
  }),
  "",
);
const S = 1000;

test.each<[string, Partial<Contact>, number | null, number]>([
  ["the default before the server said anything", {}, null, 300 * S],
  ["the server's interval", { directedMs: 60 * S }, null, 60 * S],
  ["never below 5 s, whatever the server says", { directedMs: 1 }, null, 5 * S],
  ["never above a day", { directedMs: 2 ** 32 - 1 }, null, 86_400 * S],
  ["the device's own interval before the server's", { directedMs: 60 * S }, 30, 30 * S],
  ["longer after failures", { misses: 4 }, null, 40 * S],
  ["never over half an hour, of which jitter leaves the half here", { misses: 30 }, null, 900 * S],
  ["as long as a refusal asks for", { misses: 1, retryAfterMs: 700 * S }, null, 700 * S],
  ["a minute for approval, however often", { misses: 30, refusedMs: 60 * S }, null, 60 * S],
  [
    "the server's word in a refusal that a person ends",
    { misses: 3, refusedMs: 60 * S, retryAfterMs: 90 * S },
    null,
    90 * S,
  ],
])("the next question comes after %s", (_what, contact, pollInterval, ms) => {
  expect(pollMs({ ...config, pollInterval }, { ...noContact(), ...contact }, 0.5)).toBe(ms);
});

test("no two devices keep step", () => {
  const at = (fraction: number) => pollMs(config, noContact(), fraction);
  expect([at(0), at(0.999_999_9)]).toEqual([270 * S, 330 * S]);
  const refused = { ...noContact(), misses: 1, refusedMs: 60 * S };
  expect(pollMs(config, refused, 0)).toBe(54 * S);
});
