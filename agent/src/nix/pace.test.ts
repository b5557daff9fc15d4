import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { pace } from "./pace.ts";

describe("a download held to a rate", () => {
  test("rests for as long as what came was too early", () => {
    const rest = pace(1000, 0);
    expect(rest(500, 0)).toBe(500);
    expect(rest(500, 500)).toBe(0);
    expect(rest(3500, 1000)).toBe(2500);
  });

  test("that stood still gets a second's worth back, and no more", () => {
    const rest = pace(1000, 0);
    expect(rest(0, 60_000)).toBe(0);
    expect(rest(1000, 60_000)).toBe(0);
    expect(rest(3000, 60_000)).toBe(2000);
  });

  test("stays below the rate whatever comes when, but for the burst that came at once", () => {
    const steps = fc.array(
      fc.tuple(fc.integer({ min: 0, max: 5000 }), fc.integer({ min: 0, max: 3000 })),
    );
    fc.assert(
      fc.property(steps, (pieces) => {
        const rest = pace(1000, 0);
        let [bytes, nowMs] = [0, 0];
        for (const [more, idleMs] of pieces) {
          nowMs += idleMs;
          bytes += more;
          nowMs += rest(bytes, nowMs);
          expect(bytes).toBeLessThanOrEqual(nowMs + 1000 + 0.001);
        }
      }),
    );
  });
});
