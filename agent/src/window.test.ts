import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { DAYS, isOpen, isZone, nextOpening } from "./window.ts";
import type { Day, Window } from "./window.ts";

const at = (iso: string) => Date.parse(iso) / 1000;
const iso = (atS: number | undefined) =>
  atS === undefined ? undefined : new Date(atS * 1000).toISOString().replace(".000", "");

const window = (text: string, zone = "Europe/Oslo"): Window => {
  const [days = "", from = "", to = ""] = text.split(" ");
  const named = days === "daily" ? DAYS : (days.split(",") as Day[]);
  return { days: named, from, to, zone };
};

/** The stretches in which the window is open, looked at minute by minute. */
function openFrom(one: Window, begin: string, hours: number): string[] {
  const found: string[] = [];
  let openedS: number | undefined;
  for (let minute = 0; minute <= hours * 60; minute += 1) {
    const nowS = at(begin) + minute * 60;
    const open = isOpen([one], nowS);
    if (open) openedS ??= nowS;
    if (openedS !== undefined && (!open || minute === hours * 60)) {
      found.push(`${iso(openedS)?.slice(8, 16)} ${(nowS - openedS) / 60} min`);
      openedS = undefined;
    }
  }
  return found;
}

describe("a window", () => {
  test("is open while the clock of its zone shows a time in it", () => {
    const sunday = window("Sun 02:00 04:30");
    expect(openFrom(sunday, "2026-06-13T00:00Z", 48)).toEqual(["14T00:00 150 min"]);
    expect(openFrom(sunday, "2026-01-17T00:00Z", 48)).toEqual(["18T01:00 150 min"]);
  });

  test("that ends at or before its beginning ends on the day after, whichever day that is", () => {
    expect(openFrom(window("Sat 22:00 06:00", "UTC"), "2026-06-13T00:00Z", 72)).toEqual([
      "13T22:00 480 min",
    ]);
    expect(openFrom(window("Sat 00:00 00:00", "UTC"), "2026-06-12T00:00Z", 72)).toEqual([
      "13T00:00 1440 min",
    ]);
    expect(openFrom(window("Sat 22:00 24:00", "UTC"), "2026-06-12T00:00Z", 72)).toEqual([
      "13T22:00 120 min",
    ]);
  });

  test("in the hour that is skipped does not open that day, and one around it is shorter", () => {
    const night = "2026-03-28T12:00Z";
    expect(openFrom(window("Sun 02:10 02:50"), night, 24)).toEqual([]);
    expect(openFrom(window("Sun 02:30 03:30"), night, 24)).toEqual(["29T01:00 30 min"]);
    expect(openFrom(window("Sun 01:30 03:30"), night, 24)).toEqual(["29T00:30 60 min"]);
  });

  test("in the hour that comes twice is open in both", () => {
    const night = "2026-10-24T12:00Z";
    expect(openFrom(window("Sun 02:10 02:50"), night, 24)).toEqual([
      "25T00:10 40 min",
      "25T01:10 40 min",
    ]);
    expect(openFrom(window("Sun 01:30 03:30"), night, 24)).toEqual(["24T23:30 180 min"]);
  });

  test("follows half an hour in the south, and midnights that are skipped", () => {
    const howe = "Australia/Lord_Howe";
    expect(openFrom(window("Sun 01:45 02:15", howe), "2026-10-03T00:00Z", 24)).toEqual([
      "03T15:15 15 min",
    ]);
    expect(openFrom(window("Sun 01:45 02:15", howe), "2026-04-04T00:00Z", 24)).toEqual([
      "04T14:45 15 min",
      "04T15:15 30 min",
    ]);
    expect(openFrom(window("Sat 23:30 00:30", "Africa/Cairo"), "2026-04-23T00:00Z", 72)).toEqual([
      "25T20:30 60 min",
    ]);
    expect(openFrom(window("Thu 23:30 00:30", "Africa/Cairo"), "2026-04-23T00:00Z", 48)).toEqual([
      "23T21:30 30 min",
    ]);
  });
});

describe("the next opening", () => {
  test("is this moment while one is open, and always where there are none", () => {
    const nowS = at("2026-06-14T00:30:30Z");
    expect(nextOpening([window("Sun 02:00 04:00")], nowS)).toBe(nowS);
    expect(nextOpening([], nowS)).toBe(nowS);
    expect(isOpen([], nowS)).toBe(true);
  });

  test("is the earliest of all windows, and comes a week later where the clock skips one", () => {
    const fridays = [window("Fri 01:00 02:00"), window("Wed 23:00 01:00", "UTC")];
    expect(iso(nextOpening(fridays, at("2026-06-14T12:00Z")))).toBe("2026-06-17T23:00:00Z");
    expect(iso(nextOpening([window("Sun 02:10 02:50")], at("2026-03-22T12:00Z")))).toBe(
      "2026-04-05T00:10:00Z",
    );
  });

  test("is the change of the clock where that leads into the window", () => {
    const jump = nextOpening([window("Sun 02:30 03:30")], at("2026-03-28T12:00Z"));
    expect(iso(jump)).toBe("2026-03-29T01:00:00Z");
    // Back into the window from its end.
    const back = nextOpening(
      [window("Sun 01:30 02:00", "America/New_York")],
      at("2026-11-01T06:00Z"),
    );
    expect(iso(back)).toBe("2026-11-01T06:30:00Z");
  });
});

test("a zone is known by its IANA name only", () => {
  expect(["Europe/Oslo", "UTC", "Europe/Atlantis", "+02:00", ""].map(isZone)).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
});

/** Offsets of zones in minutes, each from a moment on: read from the zones' laws, not from a library. */
const laws: Record<string, readonly (readonly [from: string, minutes: number])[]> = {
  "Europe/Oslo": [
    ["2025-10-26T01:00Z", 60],
    ["2026-03-29T01:00Z", 120],
    ["2026-10-25T01:00Z", 60],
    ["2027-03-28T01:00Z", 120],
  ],
  "America/New_York": [
    ["2025-11-02T06:00Z", -300],
    ["2026-03-08T07:00Z", -240],
    ["2026-11-01T06:00Z", -300],
    ["2027-03-14T07:00Z", -240],
  ],
  "Australia/Lord_Howe": [
    ["2025-10-04T15:30Z", 660],
    ["2026-04-04T15:00Z", 630],
    ["2026-10-03T15:30Z", 660],
    ["2027-04-03T15:00Z", 630],
  ],
  "America/Santiago": [
    ["2025-09-07T04:00Z", -180],
    ["2026-04-05T03:00Z", -240],
    ["2026-09-06T04:00Z", -180],
    ["2027-04-04T03:00Z", -240],
  ],
  "Asia/Kolkata": [["2025-01-01T00:00Z", 330]],
};

/** The wall clock as text, which sorts as time does and knows no offsets. */
function wallClock(zone: string, atS: number): string {
  const law = laws[zone]?.findLast(([from]) => at(from) <= atS);
  if (law === undefined) throw new Error(`no law for ${zone} so early`);
  return new Date((atS + law[1] * 60) * 1000).toISOString().slice(0, 16);
}

/** Judges by stretches of the calendar: does one that began today or yesterday hold this time? */
function opensByCalendar({ days, from, to, zone }: Window, atS: number): boolean {
  const now = wallClock(zone, atS);
  const dateOf = (back: number) =>
    new Date(Date.parse(`${now.slice(0, 10)}T00:00Z`) - back * 86_400_000);
  return [0, 1].some((back) => {
    const date = dateOf(back);
    const end = to > from ? date : new Date(date.getTime() + 86_400_000);
    const day = DAYS[date.getUTCDay()];
    const text = (one: Date) => one.toISOString().slice(0, 10);
    return (
      day !== undefined &&
      days.includes(day) &&
      now >= `${text(date)}T${from}` &&
      now < `${text(end)}T${to}`
    );
  });
}

const anyTime = fc
  .tuple(fc.integer({ min: 0, max: 23 }), fc.constantFrom(0, 1, 10, 15, 30, 45, 50, 59))
  .map(
    ([hours, minutes]) => `${String(hours).padStart(2, "0")}:${String(minutes).padStart(2, "0")}`,
  );
const anyWindow: fc.Arbitrary<Window> = fc.record({
  days: fc.subarray([...DAYS], { minLength: 1 }),
  from: fc.oneof(anyTime, fc.constantFrom("01:30", "02:10", "00:00", "23:30")),
  to: fc.oneof(anyTime, fc.constantFrom("24:00", "02:50", "00:30")),
  zone: fc.constantFrom(...Object.keys(laws)),
});
const changes = Object.values(laws)
  .flat()
  .map(([from]) => at(from));
const inLaw = (atS: number) => atS >= at("2025-12-01T00:00Z") && atS < at("2027-05-01T00:00Z");
/** Any minute of 17 months, most of them close to a change of some clock. */
const anyMoment = fc
  .oneof(
    fc.tuple(fc.constantFrom(...changes.filter(inLaw)), fc.integer({ min: -3000, max: 3000 })),
    fc.tuple(fc.constant(at("2026-01-01T00:00Z")), fc.integer({ min: 0, max: 600_000 })),
  )
  .map(([around, minutes]) => around + minutes * 60);

describe("whatever the window and the moment", () => {
  test("it is open by the calendar's stretches and by the rule alike", () => {
    fc.assert(
      fc.property(anyWindow, anyMoment, (one, nowS) => {
        expect(isOpen([one], nowS)).toBe(opensByCalendar(one, nowS));
      }),
      { numRuns: 3000 },
    );
  });

  test("the next opening is the first open minute that a walk through all minutes meets", () => {
    fc.assert(
      fc.property(
        fc.array(anyWindow, { minLength: 1, maxLength: 3 }),
        anyMoment,
        (windows, nowS) => {
          let walkedS = nowS;
          while (!windows.some((one) => opensByCalendar(one, walkedS))) walkedS += 60;
          expect(iso(nextOpening(windows, nowS))).toBe(iso(walkedS));
        },
      ),
      { numRuns: 300 },
    );
  });
});
