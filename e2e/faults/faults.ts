import type { Fault } from "./fault.ts";
import { caches } from "./kinds/caches.ts";
import { clocks } from "./kinds/clocks.ts";
import { disks } from "./kinds/disks.ts";
import { ends } from "./kinds/ends.ts";
import { hangs } from "./kinds/hangs.ts";
import { network } from "./kinds/network.ts";
import { people } from "./kinds/people.ts";
import { records } from "./kinds/records.ts";
import { systems } from "./kinds/systems.ts";

const all = {
  ...ends,
  ...network,
  ...records,
  ...people,
  ...clocks,
  ...disks,
  ...hangs,
  ...caches,
  ...systems,
};

export type FaultName = keyof typeof all;

/** Every fault by the name that the table has for it. */
export const faults: Readonly<Record<FaultName, Fault>> = all;
