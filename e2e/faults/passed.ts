import { appendFile, readFile } from "node:fs/promises";

import type { Case } from "./cases.ts";
import type { FaultName } from "./faults.ts";
import type { FaultState, Order } from "./table.ts";

type Cell = Pick<Case, "fault" | "state" | "order">;

/** The cases that passed and how their attempts ended; in a file too, so that a run can be resumed. */
export class Passed {
  readonly #file: string | undefined;
  readonly #outcomes = new Map<string, readonly string[]>();

  private constructor(file: string | undefined) {
    this.#file = file;
  }

  /** @param file One JSON array a line; made when there is none. Default: kept in memory alone. */
  static async of(file: string | undefined): Promise<Passed> {
    const passed = new Passed(file);
    if (file === undefined) return passed;
    const text = await readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT") return "";
      throw cause;
    });
    for (const line of text.split("\n").filter((each) => each !== "")) {
      const [cell, outcomes] = JSON.parse(line) as [string, string[]];
      passed.#outcomes.set(cell, outcomes);
    }
    return passed;
  }

  async add(cell: Cell, outcomes: readonly string[]): Promise<void> {
    this.#outcomes.set(nameOf(cell), outcomes);
    if (this.#file !== undefined)
      await appendFile(this.#file, `${JSON.stringify([nameOf(cell), outcomes])}\n`);
  }

  has(cell: Cell): boolean {
    return this.#outcomes.has(nameOf(cell));
  }

  outcomes(fault: FaultName, state: FaultState, order: Order): readonly string[] {
    return this.#outcomes.get(nameOf({ fault, state, order })) ?? [];
  }
}

const nameOf = ({ fault, state, order }: Cell) => `${fault} ${state} ${order}`;
