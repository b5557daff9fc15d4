import { describe, expect, test } from "vitest";

import { allCases, expectation, isReason, representativeCases } from "./cases.ts";
import { faults, type FaultName } from "./faults.ts";
import { ORDERS, reasons, STATES, table } from "./table.ts";

const names = Object.keys(faults) as FaultName[];
const cases = allCases();
const few = representativeCases();
const different = <T>(values: readonly T[]) => new Set(values).size;

describe("the table of faults", () => {
  test("has one row for each fault", () => {
    expect(table.map(([name]) => name).toSorted()).toEqual(names.toSorted());
  });

  test("says of each cell where the device rests, or why the fault does not happen there", () => {
    const cells = names.flatMap((fault) =>
      STATES.flatMap((state) => ORDERS.map((order) => expectation(fault, state, order))),
    );
    const unknown = cells.filter((said) => isReason(said) && !(said in reasons));
    expect(unknown).toEqual([]);
    expect(cells.filter(isReason).length + cases.length).toBe(cells.length);
  });

  test("makes at least 150 cases, each with a name of its own", () => {
    expect(cases.length).toBeGreaterThan(150);
    expect(different(cases.map(({ name }) => name))).toBe(cases.length);
  });
});

describe("the part that stands for the whole", () => {
  test("has every fault, every state with every order, and every end", () => {
    expect(different(few.map(({ fault }) => fault))).toBe(names.length);
    expect(different(few.map(({ state, order }) => `${state} ${order}`))).toBe(
      different(cases.map(({ state, order }) => `${state} ${order}`)),
    );
    expect(different(few.map(({ expected }) => expected))).toBe(
      different(cases.map(({ expected }) => expected)),
    );
  });

  test("is a quarter of it", () => {
    expect(few.length / cases.length).toBeGreaterThan(0.24);
    expect(few.length / cases.length).toBeLessThan(0.28);
    expect(cases).toEqual(expect.arrayContaining(few));
  });
});
