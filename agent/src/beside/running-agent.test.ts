import { expect, test } from "vitest";

import { runningAgent } from "./running-agent.ts";
import type { Systemd } from "./systemd.ts";

const never = new AbortController().signal;

/** A manager that has the unit in this state, and ends `start` with this status. */
function manager(loadState: string, startStatus: number) {
  const asked: string[] = [];
  const systemctl = async ([verb = ""]: readonly string[]) => {
    asked.push(verb);
    const code = verb === "start" ? startStatus : 0;
    const stdout = verb === "show" ? `${loadState}\n` : "";
    return await Promise.resolve({ how: "exited" as const, code, stdout, tail: "refused" });
  };
  return { asked, systemd: { systemctl } as unknown as Systemd };
}

test("the agent's service is started again", async () => {
  const { asked, systemd } = manager("loaded", 0);
  await runningAgent("/nonexistent", {}, systemd).startAgain(never);
  expect(asked).toEqual(["show", "start"]);
});

test("a manager that does not start it is an error", async () => {
  const { systemd } = manager("loaded", 1);
  await expect(runningAgent("/nonexistent", {}, systemd).startAgain(never)).rejects.toThrow(
    "nix-ota-agent.service",
  );
});

test.each(["not-found", "masked"])("a unit that is %s cannot be started by any try", async (is) => {
  const { asked, systemd } = manager(is, 1);
  await runningAgent("/nonexistent", {}, systemd).startAgain(never);
  expect(asked).toEqual(["show"]);
});
