import { journalFile } from "@nix-ota/agent/state/journal-file";
import { nodeDisk } from "@nix-ota/agent/state/node-disk";
import { trustFile } from "@nix-ota/agent/state/trust-file";
import { Outcome } from "@nix-ota/proto/nixota/v1/device_pb";

import type { Fleet } from "./fleet.ts";
import type { Machine } from "./machine.ts";

/** A machine with an agent, and the name that the server knows it by. */
type AtWork = { readonly name: string; readonly device: Machine };

/** What a device keeps on its disk, read from outside, so that it may be off. */
export async function records({ device }: AtWork) {
  const stateDir = device.hostStateDir;
  const committedRoots = async () => await Promise.resolve([]);
  return {
    journal: await journalFile(nodeDisk, stateDir).read(),
    trust: await trustFile(nodeDisk, stateDir, { committedRoots }).read(),
  };
}

/** The system that a device has to end on, and how its last attempt has to end. */
export type Expected = {
  readonly system: string;
  readonly outcome: keyof typeof Outcome;
  readonly floorRevision: number;
  /** How attempts before it may have ended. Default: interrupted. */
  readonly before?: keyof typeof Outcome;
};

/** What a device at rest does not keep of the agent's promise, one sentence each; none: it keeps all. */
export async function wrongAtRest(
  fleet: Fleet,
  fridge: AtWork,
  expected: Expected,
): Promise<string[]> {
  return [
    ...(await wrongLinks(fridge, expected.system)),
    ...(await wrongReports(fleet, fridge, expected)),
    ...(await wrongRoots(fridge, expected)),
    ...(await leftOver(fridge)),
  ];
}

async function wrongLinks({ device }: AtWork, system: string): Promise<string[]> {
  const { running, profile, bootDefault } = await device.links();
  const links = Object.entries({ running, profile, bootDefault });
  const wrong = links
    .filter(([, path]) => path !== system)
    .map(([what, path]) => `${what} is ${path} and not ${system}`);
  return [...wrong, ...(await damaged(device, new Set([running, profile, bootDefault])))];
}

/** Systems of which not every file has the contents that the store's database knows. */
export async function damaged(
  device: Machine,
  systems: ReadonlySet<string | null>,
): Promise<string[]> {
  const wrong: string[] = [];
  for (const system of systems) {
    if (system === null) continue;
    const argv = ["nix", "store", "verify", "--no-trust", "--recursive", "--", system];
    const { code, stderr } = await device.exec(argv);
    if (code !== 0) wrong.push(`${system} is not whole: ${stderr.trim().split("\n").at(-1)}`);
  }
  return wrong;
}

async function wrongReports(fleet: Fleet, fridge: AtWork, expected: Expected): Promise<string[]> {
  const wrong: string[] = [];
  const { journal, trust } = await records(fridge);
  const events = await fleet.operator.events(fridge.name);
  const told = events.map(({ number }) => Number(number)).toSorted((a, b) => a - b);
  const happened = Array.from({ length: journal?.eventNumber ?? 0 }, (_, index) => index + 1);
  if (told.join() !== happened.join())
    wrong.push(`of events 1 to ${happened.length} the server was told ${told.join()}`);

  const attempts = Map.groupBy(
    events.flatMap(({ attempt }) => attempt ?? []),
    ({ id }) => id,
  );
  for (const [id, reports] of attempts) {
    const ends = reports.filter(({ outcome }) => outcome !== Outcome.UNSPECIFIED);
    if (ends.length !== 1) wrong.push(`attempt ${id} ended ${ends.length} times`);
  }
  const outcomes = events.flatMap(({ attempt }) =>
    attempt === undefined || attempt.outcome === Outcome.UNSPECIFIED ? [] : [attempt.outcome],
  );
  const early = outcomes
    .slice(0, -1)
    .filter((outcome) => outcome !== Outcome[expected.before ?? "INTERRUPTED"]);
  if (outcomes.at(-1) !== Outcome[expected.outcome] || early.length > 0)
    wrong.push(`the attempts ended as ${outcomes.map(nameOf).join() || "nothing"}`);

  const floor = Object.values(trust.channels)[0]?.floor.revision ?? 0;
  if (floor !== expected.floorRevision) wrong.push(`the floor is ${floor}`);
  if (journal?.machine.state.name !== "idle")
    wrong.push(`the device is ${journal?.machine.state.name}`);
  return wrong;
}

/** What was applied is rooted, for its keeping and for the floor in the root's name; else nothing is. */
async function wrongRoots(
  { device }: AtWork,
  { outcome, system, floorRevision }: Expected,
): Promise<string[]> {
  const roots = (await device.gcRoots())
    .filter(({ link }) => link.includes("gcroots/nix-ota/"))
    .map(
      ({ link, target }) =>
        `${link
          .split("/")
          .at(-1)
          ?.replace(/-[0-9a-f]{64}$/, "")} ${target}`,
    );
  const wanted = outcome === "APPLIED" ? `committed-prod-${floorRevision} ${system}` : "";
  return roots.join() === wanted ? [] : [`the roots are ${roots.join() || "none"}`];
}

/** Processes and files that no attempt needs any more. */
async function leftOver({ device }: AtWork): Promise<string[]> {
  const processes = (await device.run(["ps", "-eo", "args"]))
    .split("\n")
    .filter((line) => /switch-to-configuration|nix copy|crashing-agent|dead-man/.test(line));
  const files = await device.run(["find", device.stateDir, "-name", "*.next"]);
  return [...processes, ...files.split("\n").filter(Boolean)].map((what) => `${what} is left over`);
}

function nameOf(outcome: Outcome): string {
  return Object.entries(Outcome).find(([, number]) => number === outcome)?.[0] ?? `${outcome}`;
}
