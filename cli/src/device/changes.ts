import { Outcome, DeviceStanding } from "@nix-ota/proto/nixota/v1/device_pb";

import { revisionText } from "../amounts.ts";
import { CliError } from "../cli-error.ts";
import type { Host } from "../host.ts";
import { parseName } from "../name-argument.ts";
import { readPublicKey } from "../public-key-argument.ts";
import { parseRevision } from "../revision-argument.ts";
import { answerOf, given } from "../server-error.ts";
import type { Session } from "../session.ts";
import { changeDevices, type ChangeOptions } from "./change.ts";

type Ids = readonly string[];

/** Adds and takes away tags. */
export async function tagDevices(
  ids: Ids,
  options: ChangeOptions & { add: string[]; remove: string[] },
  host: Host,
): Promise<void> {
  const { add, remove } = options;
  for (const tag of add) parseName("--add", tag);
  for (const tag of remove) parseName("--remove", tag);
  if (add.length + remove.length === 0)
    throw new CliError("usage", "no tag is named; give --add or --remove");
  const signs = [...add.map((tag) => `+${tag}`), ...remove.map((tag) => `-${tag}`)];
  await changeDevices(ids, options, host, async () => ({
    request: { addTags: add, removeTags: remove },
    past: `tagged ${signs.join(" ")}`,
  }));
}

/** Keeps devices on a revision: the named one, or for a single device what it runs. */
export async function pinDevices(
  ids: Ids,
  options: ChangeOptions & { revision?: string | undefined },
  host: Host,
): Promise<void> {
  const named = namedRevision(ids, options);
  await changeDevices(ids, options, host, async (session) => {
    const pinnedRevision = named ?? (await committedRevision(ids, session));
    return { request: { pinnedRevision }, past: `pinned to ${revisionText(pinnedRevision)}` };
  });
}

/** Lets devices follow their channel again. */
export async function unpinDevices(ids: Ids, options: ChangeOptions, host: Host): Promise<void> {
  const request = { pinnedRevision: 0n };
  await changeDevices(ids, options, host, async () => ({ request, past: "unpinned" }));
}

/** Asks devices to try a revision once more: the named one, or what a single device tried last. */
export async function retryDevices(
  ids: Ids,
  options: ChangeOptions & { revision?: string | undefined },
  host: Host,
): Promise<void> {
  const named = namedRevision(ids, options);
  await changeDevices(ids, options, host, async (session) => {
    const retryRevision = named ?? (await failedRevision(ids, session));
    const past = `asked to try ${revisionText(retryRevision)} once more`;
    return { request: { retryRevision }, past };
  });
}

const STANDINGS = {
  approve: { standing: DeviceStanding.ACCEPTED, past: "approved" },
  reject: { standing: DeviceStanding.REJECTED, past: "rejected" },
  revoke: { standing: DeviceStanding.REVOKED, past: "revoked, with their sessions within 15 s" },
} as const;

/** Lets devices report and be offered releases, or not. */
export async function judgeDevices(
  verb: keyof typeof STANDINGS,
  ids: Ids,
  options: ChangeOptions,
  host: Host,
): Promise<void> {
  const { standing, past } = STANDINGS[verb];
  await changeDevices(ids, options, host, async () => ({ request: { standing }, past }));
}

/** Deletes what is known of devices. */
export async function forgetDevices(ids: Ids, options: ChangeOptions, host: Host): Promise<void> {
  const request = { forget: true };
  await changeDevices(ids, options, host, async () => ({ request, past: "forgotten" }));
}

/** Gives a device another key, after it was installed anew. */
export async function rekeyDevice(
  id: string,
  options: Omit<ChangeOptions, "filter"> & { publicKey: string },
  host: Host,
): Promise<void> {
  const { publicKey } = await readPublicKey(options.publicKey);
  const request = { publicKey };
  const past = "known by the other key";
  await changeDevices([id], options, host, async () => ({ request, past }));
}

function namedRevision(
  ids: Ids,
  { revision }: { revision?: string | undefined },
): bigint | undefined {
  if (revision !== undefined) return parseRevision(revision);
  if (ids.length === 1) return undefined;
  throw new CliError("usage", "several devices need one revision; give --revision");
}

async function committedRevision([deviceId = ""]: Ids, session: Session): Promise<bigint> {
  const { committedRevision } = await deviceOf(deviceId, session);
  if (committedRevision > 0n) return committedRevision;
  throw new CliError("usage", `${deviceId} runs no release of its channel; give --revision`);
}

async function failedRevision([deviceId = ""]: Ids, session: Session): Promise<bigint> {
  const { attempt } = await deviceOf(deviceId, session);
  const hasFailed =
    attempt !== undefined &&
    attempt.outcome !== Outcome.UNSPECIFIED &&
    attempt.outcome !== Outcome.APPLIED;
  if (hasFailed && attempt.revision > 0n) return attempt.revision;
  throw new CliError("usage", `${deviceId} failed on nothing last; give --revision`);
}

async function deviceOf(deviceId: string, { server }: Session) {
  const { device } = await answerOf(server.checkin.getDevice({ deviceId }), server.url);
  return given(device, server.url);
}
