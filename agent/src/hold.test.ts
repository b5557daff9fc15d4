import { describe, expect, test } from "vitest";

import { asOne, holdsOf } from "./hold.ts";
import type { HoldFacts } from "./hold.ts";
import { postpone } from "./postponement.ts";

const HOUR = 3_600_000;
const SATURDAY_S = Date.parse("2026-06-13T21:00Z") / 1000;
const limits = { inhibitorsMs: 5_000, holdsMs: 60_000 };
const free: HoldFacts = {
  windows: [],
  windowTimeS: undefined,
  postponement: undefined,
  now: { bootId: "a", ms: 0 },
  files: [],
  inhibited: false,
  inhibitors: [],
};
const night = [{ days: ["Sat" as const], from: "22:00", to: "02:00", zone: "UTC" }];
const holds = (facts: Partial<HoldFacts>) => holdsOf({ ...free, ...facts }, limits);

describe("a device", () => {
  test("without a reason to wait goes on, also before any clock is right", () => {
    expect(holds({})).toEqual([]);
    expect(asOne([])).toBeUndefined();
  });

  test("waits for its window, and looks again when that opens at the latest", () => {
    const reason = "waits for its window, which opens 2026-06-13T22:00:00Z";
    expect(holds({ windows: night, windowTimeS: SATURDAY_S })).toEqual([
      { reason, lookAgainMs: 60_000 },
    ]);
    expect(holds({ windows: night, windowTimeS: SATURDAY_S + 3590 })).toEqual([
      { reason, lookAgainMs: 10_000 },
    ]);
    expect(holds({ windows: night, windowTimeS: SATURDAY_S + 3600 })).toEqual([]);
    expect(holds({ windows: night, windowTimeS: undefined })[0]?.reason).toContain("nobody knows");
  });

  test("waits for programs, and names those that said why", () => {
    expect(holds({ inhibited: true })[0]?.reason).toContain("a program that did not say why holds");
    const milking = { pid: 812, why: "milking" };
    expect(holds({ inhibited: true, inhibitors: [milking] })).toEqual([
      {
        reason:
          "milking (process 812) holds updates back by `nix-ota-agent inhibit`; they go on when that ends",
        lookAgainMs: 5_000,
      },
    ]);
    // One that still waits to begin.
    expect(holds({ inhibitors: [milking] })).toEqual([]);
  });

  test("waits while a person wants it to, and no longer", () => {
    const postponement = postpone(2 * HOUR, "harvest", { bootId: "a", ms: 0 });
    const at = (ms: number) => holds({ postponement, now: { bootId: "a", ms } });
    expect(at(HOUR)).toEqual([
      {
        reason:
          "a person put updates off for 2 h (harvest); `nix-ota-agent inhibit --end` takes that back",
        lookAgainMs: 60_000,
      },
    ]);
    expect(at(2 * HOUR - 5)[0]?.lookAgainMs).toBe(5);
    expect(at(2 * HOUR)).toEqual([]);
  });

  test("tells everything that holds as one, and looks again for the first that may end", () => {
    const all = holds({ files: ["/run/busy"], windows: night, windowTimeS: SATURDAY_S });
    expect(asOne(all)).toEqual({
      reason:
        "the file /run/busy holds updates back; they go on when it is gone; " +
        "waits for its window, which opens 2026-06-13T22:00:00Z",
      lookAgainMs: 5_000,
    });
  });
});
