import { expect, it } from "vitest";

import { parseDeadline } from "./deadline.ts";

const NOW_MS = Date.UTC(2026, 10, 22, 12, 0, 0);
const NOW_S = BigInt(NOW_MS / 1000);

it.each([
  ["90min", NOW_S + 5400n],
  ["12h", NOW_S + 43_200n],
  ["30d", NOW_S + 2_592_000n],
  ["2w", NOW_S + 1_209_600n],
  ["2026-12-31", 1_798_675_200n],
  ["2026-12-31T12:00:00Z", 1_798_718_400n],
  ["2026-12-31T12:00+02:00", 1_798_711_200n],
])("reads %s", (text, seconds) => {
  expect(parseDeadline(text, NOW_MS)).toBe(seconds);
});

it.each(["", "30", "30 d", "tomorrow", "2026-13-01", "0d", "2020-01-01", "-1d"])(
  "refuses %j",
  (text) => {
    expect(() => parseDeadline(text, NOW_MS)).toThrow(expect.objectContaining({ kind: "usage" }));
  },
);
