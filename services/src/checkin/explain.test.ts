import { expect, test } from "vitest";

import { explain, type Explained } from "./explain.ts";

const BASE: Explained = {
  deviceId: "gw-1",
  channel: "prod",
  silentS: 10,
  checkInIntervalS: 60,
  decision: { kind: "offer", revision: 5n, payloadSha256: new Uint8Array(32) },
  silence: undefined,
  attempt: undefined,
};
const attempt = {
  revision: 5n,
  outcome: "UNSPECIFIED",
  state: "FETCHING",
  message: "",
  rebootRequired: false,
};
const hold = (reason: "UP_TO_DATE" | "QUARANTINED" | "NOT_ENROLLED", explanation: string) =>
  ({ kind: "hold", reason, explanation }) as const;

test.each<[Partial<Explained>, string]>([
  [{ silentS: undefined }, "gw-1 enrolled and never reported; look at its agent's log"],
  [
    { silentS: undefined, decision: hold("NOT_ENROLLED", "the device waits for approval") },
    "gw-1: the device waits for approval",
  ],
  [{}, "gw-1 is offered r5 of prod and has not begun"],
  [{ attempt }, "gw-1 is offered r5 of prod and is fetching"],
  [
    { attempt: { ...attempt, outcome: "FAILED", message: "no space on /nix; free 2 GB" } },
    "gw-1 is offered r5 of prod; its last attempt ended as failed: no space on /nix; free 2 GB",
  ],
  [
    { attempt: { ...attempt, revision: 4n, outcome: "APPLIED" } },
    "gw-1 is offered r5 of prod and has not begun",
  ],
  [
    { decision: hold("UP_TO_DATE", "the device has r5 of prod") },
    "gw-1: the device has r5 of prod",
  ],
  [
    {
      decision: hold("UP_TO_DATE", "the device has r5 of prod"),
      attempt: {
        ...attempt,
        outcome: "APPLIED",
        message: "is proven; reboot",
        rebootRequired: true,
      },
    },
    "gw-1: the device has r5 of prod: it is proven; reboot",
  ],
  [
    {
      decision: hold("UP_TO_DATE", "the device has r5 of prod"),
      attempt: { ...attempt, outcome: "APPLIED", message: "runs, is proven" },
    },
    "gw-1: the device has r5 of prod",
  ],
  [
    {
      decision: hold("UP_TO_DATE", "the device has r5 of prod"),
      silentS: 3 * 86_400,
    },
    "gw-1: the device has r5 of prod; it was silent for 3 days, so look whether it is on and reaches this server",
  ],
  [
    { silentS: 7_300, silence: { revision: 5n, deviceTimeoutMs: 3_600_000n } },
    "gw-1 is offered r5 of prod and has not begun; it was silent for 2 h, over the 60 min of the rollout of r5, and counts as failed, so look whether it is on and reaches this server",
  ],
  [
    {
      decision: hold("QUARANTINED", "r5 of prod failed on the device"),
      attempt: { ...attempt, outcome: "ROLLED_BACK", message: "units failed: nginx" },
    },
    "gw-1: r5 of prod failed on the device (rolled_back at r5: units failed: nginx)",
  ],
])("%o", (fields, sentence) => {
  expect(explain({ ...BASE, ...fields })).toBe(sentence);
});
