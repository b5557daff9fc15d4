import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { afterEnding, climbed, firstLadder } from "./ladder.ts";
import type { Ending, Ladder, LadderSettings, Rung } from "./ladder.ts";

const settings: LadderSettings = {
  settleMs: 120_000,
  reconnectWindowMs: 30_000,
  reconnectMaxMs: 300_000,
  climbFirstMs: 600_000,
  climbMaxMs: 21_600_000,
};
const CALM: readonly Ending[] = ["announced", "refused", "unreachable"];

/** In the middle of every jitter. */
const end = (ladder: Ladder, ending: Ending, livedMs = 0, nowMs = 0) =>
  afterEnding(ladder, { ending, livedMs }, nowMs, 0.5, settings);
const through = (ladder: Ladder, ...endings: Ending[]) =>
  endings.reduce((at, ending) => end(at, ending).ladder, ladder);

describe("a rung is left", () => {
  test.each<[string, Rung, Ending[]]>([
    ["at once where the path does not carry it", "watch", ["unsupported"]],
    ["for the lowest where the path carries neither", "poll", ["unsupported", "unsupported"]],
    ["at the second time that not a word comes", "watch", ["mute", "mute"]],
    ["not for one time: a link may stall", "stream", ["mute"]],
    ["at the third time that it breaks early", "watch", ["broken", "broken", "broken"]],
    ["not for two", "stream", ["broken", "broken"]],
    ["never because the server ends it", "stream", Array<Ending>(9).fill("announced")],
    ["never because the server refuses the device", "stream", Array<Ending>(9).fill("refused")],
    ["never because there is no way to the server", "stream", Array<Ending>(9).fill("unreachable")],
  ])("%s", (_why, rung, endings) => {
    expect(through(firstLadder("auto"), ...endings).rung).toBe(rung);
  });

  test("never where it is the only one allowed", () => {
    expect(through(firstLadder("stream"), "unsupported", "mute", "broken").rung).toBe("stream");
  });
});

test("a connection that held wipes out what spoke against its rung", () => {
  const { ladder } = end(through(firstLadder("auto"), "broken", "broken"), "broken", 120_000);
  expect(ladder).toMatchObject({ rung: "stream", strikes: 0, failures: 0 });
  expect(end(through(firstLadder("auto"), "broken", "broken"), "broken", 119_999).ladder.rung).toBe(
    "watch",
  );
});

test("the wait before a connection is opened again is spread from the first time, and bounded", () => {
  const waits = [0, 1, 2, 3, 4, 5].reduce<{ ladder: Ladder; waits: number[] }>(
    ({ ladder, waits: before }) => {
      const next = end(ladder, "unreachable");
      return { ladder: next.ladder, waits: [...before, next.waitMs] };
    },
    { ladder: firstLadder("auto"), waits: [] },
  ).waits;
  expect(waits).toEqual([15_000, 30_000, 60_000, 120_000, 150_000, 150_000]);
  expect(end(firstLadder("auto"), "announced", 900_000).waitMs).toBe(15_000);
});

describe("the top is tried again", () => {
  const down = through(firstLadder("auto"), "unsupported");

  test("after a rest on the lower rung, not before", () => {
    expect(climbed(down, 599_999)).toBe(down);
    expect(climbed(down, 600_000)).toMatchObject({ rung: "stream", proven: "watch" });
  });

  test("with one strike to lose, and longer rests after each fall", () => {
    const rests = [0, 1, 2, 3, 4, 5, 6, 7].reduce<{ ladder: Ladder; rests: number[] }>(
      ({ ladder, rests: before }) => {
        const fallen = end(climbed(ladder, Infinity), "broken").ladder;
        expect(fallen).toMatchObject({ rung: "watch", proven: undefined });
        // What works goes on working between two trials.
        const held = end(fallen, "announced", 900_000).ladder;
        return { ladder: held, rests: [...before, fallen.climbAtMs ?? 0] };
      },
      { ladder: down, rests: [] },
    ).rests;
    const minutes = rests.map((ms) => ms / 60_000);
    expect(minutes).toEqual([20, 40, 80, 160, 320, 360, 360, 360]);
  });

  test("from polling by way of watch, which is kept when it holds", () => {
    const polling = through(firstLadder("auto"), "unsupported", "unsupported");
    const watching = end(climbed(polling, Infinity), "unsupported").ladder;
    expect(watching).toMatchObject({ rung: "watch", proven: "poll" });
    expect(end(watching, "broken").ladder).toMatchObject({ rung: "poll", falls: 1 });
    expect(end(watching, "broken", 120_000).ladder).toMatchObject({
      rung: "watch",
      proven: undefined,
      falls: 0,
    });
  });

  test("and counts from the beginning once it held", () => {
    const fallen = end(climbed(down, Infinity), "broken").ladder;
    const back = end(climbed(fallen, Infinity), "announced", 900_000).ladder;
    expect(back).toMatchObject({ rung: "stream", falls: 0, proven: undefined });
  });
});

const endings = fc.array(
  fc.record({
    ending: fc.constantFrom<Ending>(
      "unsupported",
      "mute",
      "broken",
      "announced",
      "refused",
      "unreachable",
    ),
    livedMs: fc.integer({ min: 0, max: 240_000 }),
    afterMs: fc.integer({ min: 0, max: 3_600_000 }),
    fraction: fc.double({ min: 0, max: 0.999_999, noNaN: true }),
  }),
  { maxLength: 60 },
);

test("whatever ends how: waits are bounded, a climb is due below the top, calm ends move nothing", () => {
  fc.assert(
    fc.property(
      endings,
      fc.constantFrom<"auto" | Rung>("auto", "stream", "watch"),
      (ends, transport) => {
        let nowMs = 0;
        let ladder = firstLadder(transport);
        for (const { ending, livedMs, afterMs, fraction } of ends) {
          nowMs += afterMs;
          ladder = climbed(ladder, nowMs);
          if (ladder.rung === "poll") continue;
          const before = ladder;
          const next = afterEnding(ladder, { ending, livedMs }, nowMs, fraction, settings);
          ladder = next.ladder;
          expect(next.waitMs).toBeLessThanOrEqual(settings.reconnectMaxMs);
          expect(ladder.rungs).toContain(ladder.rung);
          if (CALM.includes(ending)) expect(ladder.rung).toBe(before.rung);
          const lowered = ladder.rung !== ladder.rungs[0];
          expect(ladder.climbAtMs !== undefined).toBe(lowered);
          if (ladder.climbAtMs !== undefined)
            expect(ladder.climbAtMs - nowMs).toBeLessThanOrEqual(settings.climbMaxMs * 1.25);
          expect(ladder.strikes).toBeLessThanOrEqual(3);
        }
      },
    ),
    { numRuns: 2000 },
  );
});

test("on a path that carries a rung the device is on it within two days, whatever came before", () => {
  fc.assert(
    fc.property(endings, fc.constantFrom<Rung>("stream", "watch", "poll"), (ends, carried) => {
      let nowMs = 0;
      let ladder = firstLadder("auto");
      for (const { ending, livedMs, afterMs, fraction } of ends) {
        nowMs += afterMs;
        ladder = climbed(ladder, nowMs);
        if (ladder.rung === "poll") continue;
        ladder = afterEnding(ladder, { ending, livedMs }, nowMs, fraction, settings).ladder;
      }
      const above: readonly Rung[] = { stream: [], watch: ["stream"], poll: ["stream", "watch"] }[
        carried
      ] as Rung[];
      const untilMs = nowMs + 48 * 3_600_000;
      let last = ladder.rung;
      while (nowMs < untilMs) {
        ladder = climbed(ladder, nowMs);
        while (above.includes(ladder.rung)) {
          const next = afterEnding(ladder, { ending: "broken", livedMs: 0 }, nowMs, 0.5, settings);
          ladder = next.ladder;
          nowMs += next.waitMs;
        }
        last = ladder.rung;
        nowMs += 600_000;
        if (ladder.rung === carried && ladder.rung !== "poll")
          ladder = afterEnding(
            ladder,
            { ending: "announced", livedMs: 600_000 },
            nowMs,
            0.5,
            settings,
          ).ladder;
      }
      expect(last).toBe(carried);
    }),
    { numRuns: 200 },
  );
});
