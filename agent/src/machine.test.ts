import { describe, expect, test } from "vitest";

import type { EventName } from "./events.ts";
import { ignored, resumption, table } from "./machine.ts";
import type { StateName } from "./states.ts";
import { sentences } from "./states.ts";

const states = Object.keys(sentences) as StateName[];
const events = [...new Set([...table.map(([, on]) => on), ...ignored.map(([on]) => on)])];

// A union cannot be listed at run time: this record does not compile while one of its names is missing.
const everyEvent: Record<EventName, true> = {
  accepted: true,
  adopted: true,
  superseded: true,
  withdrawn: true,
  fit: true,
  unfit: true,
  fetched: true,
  fetchFailed: true,
  inspected: true,
  unusable: true,
  cleared: true,
  held: true,
  secured: true,
  unsecured: true,
  activated: true,
  needsReboot: true,
  untouched: true,
  broken: true,
  proven: true,
  unproven: true,
  committed: true,
  uncommitted: true,
  restored: true,
  unrestored: true,
  linksChanged: true,
  overdue: true,
  stale: true,
  inhibited: true,
  prevGone: true,
  setAside: true,
  fellBack: true,
  unprovenRuns: true,
  bootedPrev: true,
  bootedNew: true,
  bootedThird: true,
  quarantinedRuns: true,
  firstBoot: true,
  repaired: true,
  rollbackAsked: true,
  retryAsked: true,
};

describe("the table", () => {
  test("knows every event", () => {
    expect(events.toSorted()).toEqual(Object.keys(everyEvent).toSorted());
  });

  test("answers every event in every state by rows or by an explicit ignore, never by both", () => {
    const wrong = states.flatMap((state) =>
      events.flatMap((on) => {
        const rows = table.filter((row) => row[0] === state && row[1] === on).length;
        const ignores = ignored.filter((row) => row[0] === on && row[2].includes(state)).length;
        return rows > 0 === (ignores === 1) || ignores > 1 ? [`${state} × ${on}`] : [];
      }),
    );
    expect(wrong).toEqual([]);
  });

  test("ends every group of guarded rows with one that always holds", () => {
    const wrong = states.flatMap((state) =>
      events.flatMap((on) => {
        const guards = table
          .filter((row) => row[0] === state && row[1] === on)
          .map((row) => row[2]);
        return guards.length > 0 && guards.indexOf("") !== guards.length - 1
          ? [`${state} × ${on}`]
          : [];
      }),
    );
    expect(wrong).toEqual([]);
  });

  test("reaches every state from idle", () => {
    const reached = new Set<StateName>(["idle"]);
    for (const _ of states)
      for (const [from, , , to] of table) if (reached.has(from)) reached.add(to);
    expect([...reached].toSorted()).toEqual(states.toSorted());
  });

  test("says how far to undo wherever it begins to roll back", () => {
    expect(
      table.filter(
        ([from, , , to, , undo]) => to === "rollingBack" && from !== "rollingBack" && undo === "",
      ),
    ).toEqual([]);
  });

  test("resumes every state", () => {
    expect(Object.keys(resumption).toSorted()).toEqual(states.toSorted());
  });
});
