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
  const row = table.find(([name]) => name === fault);
  const cell = row?.[STATES.indexOf(state) + 1] ?? "broken";
  const said = cell.split("|");
  return (said[ORDERS.indexOf(order)] ?? said[0]) as Where | Reason;
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

/**
 * A quarter of the cases that stands for all: every fault, every state and every order. Of each fault
 * every fourth, so that neighbours in the table differ in state and order.
 */
export function representativeCases(): Case[] {
  return table.flatMap(([fault], row) => {
    const own = allCases().filter((one) => one.fault === fault);
    const first = row % Math.min(4, own.length);
    return own.filter((_, at) => at % 4 === first);
  });
}
