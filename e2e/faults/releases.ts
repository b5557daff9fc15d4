import type { SystemOptions } from "../src/builder.ts";
import type { Order } from "./table.ts";

export type Release = Omit<SystemOptions, "gen" | "agentJson"> & {
  /** Instead of the one that every device and system has. */
  readonly healthCmd?: string;
};

/** What the systems are that devices are offered, by a word for each. */
// oxfmt-ignore
const releases = {
  /** Takes, and proves itself. */
  good:             {},
  /** Takes, and its health check says no. */
  sick:             { mode: "fail-health" },
  flaps:            { mode: "flap-health" },
  hangs:            { mode: "hang-health" },
  exit1:            { mode: "exit1" },
  exit2:            { mode: "fail" },
  exit3:            { mode: "exit3" },
  exit4:            { mode: "exit4" },
  exit4Before:      { failing: ["printer.service"] },
  crashes:          { mode: "crash" },
  stuckUnits:       { mode: "hang" },
  deafUnits:        { mode: "hang-trap" },
  empty:            { mode: "empty" },
  noLoader:         { mode: "fail-bootloader" },
  orphans:          { agent: "no" },
  agentMissing:     { agent: "missing" },
  noBootService:    { agent: "no-boot" },
  agentBroken:      { agent: "broken" },
  agentHangs:       { agent: "hangs" },
  agentUnfit:       { agent: "unfit" },
  noHealth:         { healthCmd: "/no/such/program" },
} as const satisfies Record<string, Release>;

/** The same for an order: what is taken into use by a reboot has another init interface. */
export function releaseFor(name: ReleaseName, order: Order): Release {
  return order === "boot" ? { ...releases[name], initInterface: "systemd 256" } : releases[name];
}

export type ReleaseName = keyof typeof releases;
