import { stat } from "node:fs/promises";

import type { AgentUnit } from "../ports/links.ts";

const UNITS = "etc/systemd/system";
const WANTED = ["multi-user.target.wants", "multi-user.target.requires"];

/**
 * Whether the system starts the unit when it boots: it has one that is not masked, and what every boot
 * reaches wants it. NixOS makes a unit that is not enabled a link to /dev/null, which can be read.
 */
export async function startsUnit(system: string, unit: AgentUnit): Promise<boolean> {
  if (!(await says(`${system}/${UNITS}/${unit}`))) return false;
  for (const folder of WANTED) {
    if (await says(`${system}/${UNITS}/${folder}/${unit}`)) return true;
  }
  return false;
}

async function says(path: string): Promise<boolean> {
  const status = await stat(path).catch(() => undefined);
  return status?.isFile() === true && status.size > 0;
}
