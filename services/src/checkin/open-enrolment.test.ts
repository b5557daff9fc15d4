import fc from "fast-check";
import { expect, test } from "vitest";

import { countOpenEnrolment, type OpenEnrolmentCount } from "./open-enrolment.ts";

const HOUR = 3_600_000;
const NONE: OpenEnrolmentCount = { deviceCount: 0n, windowCount: 0, windowBeganMs: 0 };

test("an enrolment flood: however it is spread, no window has more than its share, nor the server more than it may", () => {
  const steps = fc.array(fc.integer({ min: 0, max: HOUR / 2 }), { minLength: 1, maxLength: 80 });
  fc.assert(
    fc.property(steps, (waits) => {
      const limits = { perHour: 5, most: 20 };
      const admittedAt: number[] = [];
      let count = NONE;
      let nowMs = 1_700_000_000_000;
      for (const wait of waits) {
        nowMs += wait;
        const verdict = countOpenEnrolment(count, limits, nowMs);
        if (verdict.kind !== "admitted") continue;
        count = verdict.counted;
        admittedAt.push(nowMs);
      }
      expect(admittedAt.length).toBeLessThanOrEqual(20);
      expect(count.deviceCount).toBe(BigInt(admittedAt.length));
      // Windows do not slide: what one lets in at its end and the next at its beginning is twice the share.
      for (const began of admittedAt) {
        const within = admittedAt.filter((at) => at >= began && at < began + HOUR);
        expect(within.length).toBeLessThanOrEqual(10);
      }
    }),
  );
});

test("who comes too soon is told when the next window begins", () => {
  const full = { deviceCount: 7n, windowCount: 5, windowBeganMs: 1000 };
  const limits = { perHour: 5, most: 100 };
  expect(countOpenEnrolment(full, limits, 2000)).toEqual({
    kind: "too-many-an-hour",
    untilMs: HOUR - 1000,
  });
  expect(countOpenEnrolment(full, limits, 1000 + HOUR)).toEqual({
    kind: "admitted",
    counted: { deviceCount: 8n, windowCount: 1, windowBeganMs: 1000 + HOUR },
  });
  expect(countOpenEnrolment(full, { ...limits, most: 7 }, 1000 + HOUR)).toEqual({ kind: "full" });
});

test("a clock that goes back an hour keeps nobody out for longer", () => {
  const ahead = { deviceCount: 7n, windowCount: 5, windowBeganMs: 10 * HOUR };
  const limits = { perHour: 5, most: 100 };
  expect(countOpenEnrolment(ahead, limits, HOUR)).toMatchObject({ kind: "admitted" });
});
