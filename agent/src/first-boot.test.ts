import { expect, test } from "vitest";

import type { FirstBoot } from "./attempt.ts";
import { firstBootCourse } from "./first-boot.ts";

const firstBoot = (oneShot: boolean, generation = 1): FirstBoot => ({
  attempt: { id: "a", channel: "prod", revision: 2, payloadSha256: "p", storePath: "new" },
  plan: {
    order: "boot",
    rebootRequired: true,
    oneShot,
    healthCmd: "",
    healthyBefore: true,
    inspected: { bootId: "first", ms: 0 },
  },
  prev: {
    running: "tried",
    booted: "old",
    profile: "old",
    generation,
    failedUnits: [],
    inContact: true,
  },
  bootId: "first",
});

// oxfmt-ignore
const rows = [
  // what                                                    one-shot  boot      booted    course
  ["without a reboot it waits",                              true,     "first",  "old",    "waits"],
  ["it came when it was booted",                             true,     "second", "new",    "came"],
  ["a loader that can fall back fell back",                  true,     "second", "old",    "fell back"],
  ["the system that ran counts like that of the profile",    true,     "second", "tried",  "fell back"],
  ["where no loader falls back somebody chose the old one",  false,    "second", "old",    "not chosen"],
  ["another system is a third",                              true,     "second", "other",  "third"],
] as const;

test.each(rows)("%s", (_, oneShot, bootId, booted, course) => {
  expect(firstBootCourse(firstBoot(oneShot), { bootId, booted, running: booted })).toBe(course);
});

test("a way back without a generation of its own is none that a loader could fall back to", () => {
  const now = { bootId: "second", booted: "old", running: "old" };
  expect(firstBootCourse(firstBoot(true, 0), now)).toBe("not chosen");
});

test("what was booted for a later attempt, and left without a reboot, is no third system", () => {
  for (const running of ["new", "old", "tried"]) {
    const now = { bootId: "second", booted: "later", running };
    expect(firstBootCourse(firstBoot(true), now)).toBe("waits");
  }
});
