import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { leftMs, worthKeeping, wound } from "./countdown.ts";
import type { ClockReading, Countdown } from "./countdown.ts";

const HOUR = 3_600_000;
const begun: Countdown = { leftMs: 8 * HOUR, at: { bootId: "a", ms: HOUR, wallS: 1_000_000 } };

describe("a countdown", () => {
  test("counts time of its boot, and of a later boot what that is old", () => {
    expect(leftMs(begun, { bootId: "a", ms: 3 * HOUR })).toBe(6 * HOUR);
    expect(leftMs(begun, { bootId: "b", ms: 3 * HOUR })).toBe(5 * HOUR);
    expect(leftMs(begun, { bootId: "a", ms: 99 * HOUR })).toBe(0);
  });

  test("counts what the device was off only by clocks that were kept right", () => {
    const later = { bootId: "b", ms: 60_000, wallS: 1_000_000 + 5 * 3600 };
    expect(leftMs(begun, later)).toBe(3 * HOUR);
    const in1970 = { leftMs: 8 * HOUR, at: { bootId: "a", ms: HOUR } };
    expect(leftMs(in1970, later)).toBe(8 * HOUR - 60_000);
  });

  test("is not made longer by a clock that is set back", () => {
    expect(leftMs(begun, { bootId: "a", ms: 2 * HOUR, wallS: 0 })).toBe(7 * HOUR);
    expect(leftMs(begun, { bootId: "a", ms: 0, wallS: 0 })).toBe(8 * HOUR);
  });

  test("is worth a write after a while and after a reboot", () => {
    expect(worthKeeping(begun, { bootId: "a", ms: HOUR + 9 }, 10)).toBe(false);
    expect(worthKeeping(begun, { bootId: "a", ms: HOUR + 10 }, 10)).toBe(true);
    expect(worthKeeping(begun, { bootId: "b", ms: 0 }, 10)).toBe(true);
  });

  test("ends by itself, whatever the reboots, when it is written in each boot", () => {
    const boots = fc.array(fc.integer({ min: 60_000, max: 5 * HOUR }), { minLength: 1 });
    fc.assert(
      fc.property(boots, (uptimes) => {
        let countdown: Countdown = { leftMs: 8 * HOUR, at: { bootId: "0", ms: 0 } };
        let ranMs = 0;
        uptimes.forEach((upMs, boot) => {
          const end: ClockReading = { bootId: `${boot}`, ms: upMs };
          ranMs += upMs;
          countdown = wound(countdown, end);
          expect(countdown.leftMs).toBe(Math.max(0, 8 * HOUR - ranMs));
        });
      }),
    );
  });
});
