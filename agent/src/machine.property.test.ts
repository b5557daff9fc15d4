import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";

import { World, goodLuck } from "./world.testkit.ts";

type Happening =
  | "work"
  | "offer"
  | "newer"
  | "crash"
  | "reboot"
  | "overdue"
  | "retry"
  | "interfere";

const alone = fc.oneof(
  { weight: 12, arbitrary: fc.constant<Happening>("work") },
  { weight: 3, arbitrary: fc.constantFrom<Happening>("offer", "newer") },
  { weight: 2, arbitrary: fc.constantFrom<Happening>("crash", "reboot") },
  { weight: 1, arbitrary: fc.constant<Happening>("overdue") },
);
const withPeople = fc.oneof(
  { weight: 20, arbitrary: alone },
  { weight: 2, arbitrary: fc.constantFrom<Happening>("interfere", "retry") },
);

/** How often each outcome and state came about: properties of lives in which nothing happens prove nothing. */
const seen = new Map<string, number>();

/** Lives of a device, looked at after every happening. */
function everyLife(
  happening: fc.Arbitrary<Happening>,
  look: (world: World) => void,
  after: (world: World) => void = () => {},
) {
  const lives = fc.tuple(
    fc.array(happening, { minLength: 40, maxLength: 160 }),
    fc.infiniteStream(fc.nat(10_000)),
  );
  fc.assert(
    fc.property(lives, ([happenings, stream]) => {
      let lucky = false;
      const world = new World({
        pick: (options) => (lucky ? goodLuck.pick(options) : stream.next().value % options),
      });
      for (const one of happenings) {
        happen(world, one);
        try {
          look(world);
        } catch (cause) {
          throw new Error(world.history.join("\n"), { cause });
        }
      }
      for (const { outcome } of world.endings) seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
      seen.set(world.journal.state.name, (seen.get(world.journal.state.name) ?? 0) + 1);
      lucky = true;
      after(world);
    }),
    // So many that the rarest state comes about some sixty times, and twenty is no chance.
    { numRuns: 2_400 },
  );
}

function happen(world: World, happening: Happening): void {
  switch (happening) {
    case "work":
      // A crash in the middle of the work: the next start takes it up.
      if (!world.work()) world.start();
      return;
    case "offer":
    case "newer":
      return world.offer(happening === "newer");
    case "crash":
      return world.start();
    case "reboot":
      return world.reboot();
    case "overdue":
      return world.overdue();
    case "retry":
      return world.record({ on: "retryAsked", revision: world.revision });
    case "interfere":
      return world.interfere();
  }
}

describe("whatever fails, whenever it crashes or reboots", () => {
  test("nothing is applied that was not proven, but for what ran already", () => {
    everyLife(withPeople, ({ endings, proven, adopted, committedUnseen }) => {
      expect(committedUnseen).toEqual(new Set());
      const applied = endings
        .filter(({ outcome }) => outcome === "applied")
        .map(({ attempt }) => attempt.id);
      expect(applied.filter((id) => !proven.has(id) && !adopted.has(id))).toEqual([]);
    });
  });

  test("an attempt ends at most once", () => {
    everyLife(withPeople, ({ endings }) => {
      const ids = endings.map(({ attempt }) => attempt.id);
      expect(ids).toEqual([...new Set(ids)]);
    });
  });

  test("what has a trust record ends as applied and in no other way", () => {
    everyLife(alone, ({ endings, recorded }) => {
      const others = endings.filter(
        ({ attempt, outcome }) => recorded.has(attempt.id) && outcome !== "applied",
      );
      expect(others).toEqual([]);
    });
  });

  test("a revision is activated at most three times", () => {
    everyLife(alone, ({ activations }) => {
      expect(Math.max(0, ...activations.values())).toBeLessThanOrEqual(3);
    });
  });

  test("at rest what runs is what boots, and it is what was applied last", () => {
    everyLife(alone, ({ journal, running, profile, bootDefault, endings }) => {
      if (journal.state.name !== "idle") return;
      const applied = endings.findLast(({ outcome }) => outcome === "applied");
      const system = applied?.attempt.storePath ?? "/nix/store/factory";
      expect({ running, profile, bootDefault }).toEqual({
        running: system,
        profile: system,
        bootDefault: system,
      });
    });
  });

  test("in the order prove-first nothing but the running system moves before the proof", () => {
    everyLife(alone, ({ journal: { state }, profile, bootDefault, bootDefaultBefore }) => {
      if (state.name !== "activating" && state.name !== "probation") return;
      if (state.plan.order !== "prove-first") return;
      expect({ profile, bootDefault }).toEqual({
        profile: state.prev.profile,
        bootDefault: bootDefaultBefore,
      });
    });
  });

  test("a system that somebody else switched to is left alone until the next attempt", () => {
    everyLife(withPeople, ({ interferedAfter, begun, running, profile, byHand }) => {
      if (interferedAfter !== begun.length) return;
      expect({ running, profile }).toEqual({
        running: byHand,
        profile: byHand,
      });
    });
  });

  test("once nothing fails any more, the device comes to rest within a few steps", () => {
    everyLife(
      withPeople,
      () => {},
      (world) => {
        for (let steps = 0; steps < 30; steps += 1) world.work();
        expect(["idle", "stuck", "awaitingReboot"]).toContain(world.journal.state.name);
      },
    );
  });

  afterAll(() => {
    const expected = [
      "applied",
      "rolled_back",
      "failed",
      "interrupted",
      "superseded",
      "external_change",
      "rejected",
      "stuck",
    ];
    expect(expected.filter((one) => (seen.get(one) ?? 0) < 20)).toEqual([]);
  });
});
