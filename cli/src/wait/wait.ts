import type { Device } from "@nix-ota/proto/nixota/v1/device_pb";
import type { Release } from "@nix-ota/proto/nixota/v1/release_pb";
import { RolloutState } from "@nix-ota/proto/nixota/v1/rollout_pb";

import { channelDevices } from "../channel-devices.ts";
import { CliError } from "../cli-error.ts";
import type { Server } from "../client.ts";
import type { Host } from "../host.ts";
import type { Output } from "../output.ts";
import { answerOf } from "../server-error.ts";
import { judge, type Judgement, type WaitRule } from "./judge.ts";
import { pictureOf, pictureOfCounts, type Picture } from "./picture.ts";
import { createTeller, type Teller } from "./tell.ts";

/** What is waited for. */
export interface WaitWishes extends WaitRule {
  channel: string;
  /** 0: the head. */
  revision: bigint;
  /** A device that was not seen for so long when the waiting begins counts as offline. */
  offlineAfterMs: number;
}

/** What it takes. */
export interface WaitMeans {
  server: Server;
  host: Host;
  output: Output;
}

/** Between two looks at the release. */
const POLL_MS = 2000;

/** Devices are read one by one when the counts change, and else so often. */
const DEVICES_EVERY_MS = 30_000;

/**
 * Waits until every device that is to take a release has proven it, or it is clear that they will
 * not. A server that does not answer is asked again until the time is over.
 *
 * @throws {CliError} `halted` or `timed-out` after saying how it ended; `refused`. Ending the waiting
 *   by a signal leaves the release as it is.
 */
export async function waitForRelease(wishes: WaitWishes, means: WaitMeans): Promise<void> {
  const { host, output } = means;
  const teller = createTeller(host, output);
  try {
    await watch(wishes, means, teller);
  } catch (error) {
    if (host.signal.aborted)
      output.note("the waiting ended; the release goes on, and nix-ota rollout wait takes it up");
    throw error;
  }
}

async function watch(wishes: WaitWishes, means: WaitMeans, teller: Teller): Promise<void> {
  const { host } = means;
  const startedMs = host.now();
  const seenBeforeMs = startedMs - wishes.offlineAfterMs;
  const look = createLook(wishes, seenBeforeMs, means, teller);
  for (;;) {
    const elapsedMs = host.now() - startedMs;
    const seen = await look();
    if (seen !== undefined) {
      const judgement = judge(seen.picture, seen.release.rollout, wishes, elapsedMs);
      teller.tell(seen.release, seen.picture, elapsedMs);
      if (judgement.kind !== "go-on") return end(judgement, seen, teller);
    } else if (elapsedMs >= wishes.timeoutMs)
      throw new CliError("timed-out", `${means.server.url} did not answer until the time was over`);
    await host.wait(POLL_MS, host.signal);
  }
}

function end(
  judgement: Exclude<Judgement, { kind: "go-on" }>,
  { release, picture }: Seen,
  teller: Teller,
): void {
  teller.end(judgement, release, picture);
  if (judgement.kind === "healthy") return;
  throw new CliError(judgement.kind === "timed-out" ? "timed-out" : "halted", judgement.sentence);
}

/** What one look at the server shows. */
interface Seen {
  release: Release;
  picture: Picture;
}

/** Looks again and again at one release; undefined: the server did not answer. */
function createLook(
  wishes: WaitWishes,
  seenBeforeMs: number,
  means: WaitMeans,
  teller: Teller,
): () => Promise<Seen | undefined> {
  const { server, host } = means;
  let revision = wishes.revision;
  let known: { counts: string; atMs: number; devices: readonly Device[] | undefined } | undefined;
  return async () => {
    try {
      const request = { channel: wishes.channel, revision };
      const { release } = await answerOf(
        server.publish.getRelease(request, { signal: host.signal }),
        server.url,
      );
      if (release === undefined)
        throw new CliError("refused", `${server.url} answered without a release`);
      // The head moves; the release that was the first answer stays the one.
      revision = release.revision;
      const counts = countsOf(release);
      const nowMs = host.now();
      const stale = known?.counts !== counts || nowMs - known.atMs >= DEVICES_EVERY_MS;
      if (known === undefined || stale)
        known = { counts, atMs: nowMs, devices: await readDevices(wishes, server, teller) };
      teller.reachable();
      return { release, picture: pictureFrom(release, wishes, known.devices, seenBeforeMs) };
    } catch (error) {
      host.signal.throwIfAborted();
      if (!(error instanceof CliError) || error.kind !== "unreachable") throw error;
      teller.unreachable(error.message);
      return undefined;
    }
  };
}

function pictureFrom(
  release: Release,
  { channel }: WaitWishes,
  devices: readonly Device[] | undefined,
  seenBeforeMs: number,
): Picture {
  if (devices === undefined) return pictureOfCounts(release.outcomes);
  const targets = new Set(release.manifests.map(({ target }) => target));
  const awaited = { channel, revision: release.revision, targets };
  return pictureOf(devices, awaited, release.outcomes, seenBeforeMs);
}

/** Undefined where the token may not: then the server's counts have to do. */
async function readDevices(
  { channel, offline }: WaitWishes,
  server: Server,
  teller: Teller,
): Promise<readonly Device[] | undefined> {
  try {
    return await channelDevices(server, channel);
  } catch (error) {
    if (!(error instanceof CliError) || error.refusal?.reason !== "SCOPE_MISSING") throw error;
    if (offline !== "wait") throw error;
    teller.nameless();
    return undefined;
  }
}

function countsOf({ outcomes, rollout }: Release): string {
  const { applied, rolledBack, failed, inProgress, outstanding, silent } = outcomes ?? {};
  const state = rollout?.state ?? RolloutState.UNSPECIFIED;
  return [applied, rolledBack, failed, inProgress, outstanding, silent, state].join(" ");
}
