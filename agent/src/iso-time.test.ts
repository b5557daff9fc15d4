import fc from "fast-check";
import { expect, test } from "vitest";

import { isoTime } from "./iso-time.ts";

const yearOneMs = Date.parse("0001-01-01T00:00:00Z");
const year9999EndMs = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

test("every moment of four digits of a year is spelled as Date spells it", () => {
  fc.assert(
    fc.property(fc.integer({ min: yearOneMs, max: year9999EndMs }), (ms) => {
      expect(isoTime(ms)).toBe(new Date(ms).toISOString());
    }),
    { numRuns: 5000 },
  );
});

test("every day from 1896 to 2105, with centuries that have a leap day and that have none", () => {
  for (let ms = Date.UTC(1896, 0, 1); ms < Date.UTC(2105, 0, 1); ms += 86_400_000) {
    expect(isoTime(ms)).toBe(new Date(ms).toISOString());
  }
});
