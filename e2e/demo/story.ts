import { AgentState, Outcome } from "@nix-ota/proto/nixota/v1/device_pb";

import type { FleetDevice } from "../src/fleet-device.ts";
import type { Stage } from "./stage.ts";

const PATIENCE_MS = 90_000;

/**
 * A good release, a second one, and one that breaks. Gives what is not as it should be at the end;
 * nothing: every device ended on the second release with the third in quarantine. The signal ends it
 * where it waits for devices.
 */
export async function tellStory(stage: Stage, signal: AbortSignal): Promise<string[]> {
  const { narrator } = stage;

  narrator.chapter("A first release: every device fetches all that its factory system lacks");
  const first = await stage.publish("ok", "first release", 11);
  const tookFirst = await stage.watch(
    async (device) => await has(stage, device, first),
    PATIENCE_MS,
    signal,
  );
  if (!tookFirst) return [`not every device took r${first}`];

  narrator.chapter("A second one: only what changed travels");
  const second = await stage.publish("ok", "small fixes");
  const tookSecond = await stage.watch(
    async (device) => await has(stage, device, second),
    PATIENCE_MS,
    signal,
  );
  if (!tookSecond) return [`not every device took r${second}`];

  narrator.chapter("A third one whose application does not come up: every device goes back");
  const third = await stage.publish("fail-health", "a bad day");
  await stage.watch(async (device) => await wentBack(stage, device, third), PATIENCE_MS, signal);

  await stage.show("device", "list");
  await stage.show("device", "why", stage.devices[0]?.name ?? "");
  const problems = await Promise.all(
    stage.devices.map(async (device) => await complaints(stage, device, { second, third })),
  );
  return problems.flat();
}

async function has(stage: Stage, { name }: FleetDevice, revision: number): Promise<boolean> {
  const seen = await stage.fleet.operator.device(name);
  return seen?.state === AgentState.IDLE && Number(seen.committedRevision) === revision;
}

async function wentBack(stage: Stage, { name }: FleetDevice, revision: number): Promise<boolean> {
  const seen = await stage.fleet.operator.device(name);
  return (
    seen?.state === AgentState.IDLE &&
    Number(seen.attempt?.revision) === revision &&
    seen.attempt?.outcome === Outcome.ROLLED_BACK
  );
}

/** Compares what the device's own links say and what the server says with how it should end. */
async function complaints(
  stage: Stage,
  device: FleetDevice,
  { second, third }: { readonly second: number; readonly third: number },
): Promise<string[]> {
  const problems: string[] = [];
  const expected = stage.published.get(second);
  const links = await device.device.links();
  for (const link of ["running", "profile", "bootDefault"] as const) {
    if (links[link] !== expected) {
      problems.push(`${device.name}: ${link} is ${links[link]}, not r${second} (${expected})`);
    }
  }
  if (!(await wentBack(stage, device, third))) {
    problems.push(`${device.name}: the server does not say rolled_back for r${third}`);
  }
  const seen = await stage.fleet.operator.device(device.name);
  if (!seen?.quarantinedRevisions.includes(BigInt(third))) {
    problems.push(`${device.name}: r${third} is not in quarantine`);
  }
  return problems;
}
