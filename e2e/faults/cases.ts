import { faults, type FaultName } from "./faults.ts";
import type { Where } from "./invariants.ts";
import { type FaultState, ORDERS, type Order, type Reason, STATES, table } from "./table.ts";

/** One cell of the matrix in one order. */
export type Case = {
  readonly name: string;
  readonly fault: FaultName;
  readonly state: FaultState;
  readonly order: Order;
  readonly expected: Where;
};

/** What the table says of a cell in one order. */
export function expectation(fault: FaultName, state: FaultState, order: Order): Where | Reason {
  if (state === "awaitingReboot" && order !== "boot") return "-boot";
  const row = table.find(([name]) => name === fault);
  const cell = row?.[STATES.indexOf(state) + 1] ?? "broken";
  const said = cell.split("|");
  return (said[ORDERS.indexOf(order)] ?? said.at(-1)) as Where | Reason;
}

export const isReason = (said: Where | Reason): said is Reason => said.startsWith("-");

/** Every case there is: the table row by row. */
export function allCases(): Case[] {
  return table.flatMap(([fault]) =>
    STATES.flatMap((state) =>
      ORDERS.flatMap((order) => {
        const expected = expectation(fault, state, order);
        const name = `${faults[fault].says}, in ${state}, ${order}`;
        return isReason(expected) ? [] : [{ name, fault, state, order, expected }];
      }),
    ),
  );
}

/** One case in so many stands for all. */
const SHARE = 4;

/** Ends that so few cases have that none may be left out. */
const RARE: readonly Where[] = ["by hand"];

/**
 * The part of the cases that stands for all: every fault, every state and every order. Of each fault
 * one in so many, beginning at another one in each row, so that neighbours differ in state and order.
 */
export function representativeCases(): Case[] {
  const all = allCases();
  return table.flatMap(([fault], row) => {
    const own = all.filter((one) => one.fault === fault);
    const first = row % Math.min(SHARE, own.length);
    return own.filter(({ expected }, at) => at % SHARE === first || RARE.includes(expected));
  });
}
