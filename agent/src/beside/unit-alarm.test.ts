import { expect, test } from "vitest";

import type { Systemd, TransientUnit } from "./systemd.ts";
import { unitAlarm } from "./unit-alarm.ts";

test("an alarm is tried again whatever its exit status, without a bound on the tries", async () => {
  const units: TransientUnit[] = [];
  const run: Systemd["run"] = async (unit) => {
    units.push(unit);
    return await Promise.resolve({ how: "exited", code: 0, stdout: "", tail: "" });
  };
  const alarm = unitAlarm({ run } as Systemd, { retryMs: 50 });
  await alarm.set("one", ["true"], 100, new AbortController().signal);
  const restarts = units.flatMap(({ properties }) =>
    properties.filter((property) => /^(?:Restart|StartLimit)/.test(property)),
  );
  expect(restarts).toEqual(["Restart=on-failure", "RestartSec=50ms", "StartLimitIntervalSec=0"]);
});
