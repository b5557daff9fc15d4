import type { Rollout } from "@nix-ota/proto/nixota/v1/rollout_pb";

import { countOf, revisionText } from "../amounts.ts";
import type { Host } from "../host.ts";
import { momentText } from "../moment.ts";
import { fieldsText } from "../print-fields.ts";
import { parseRevision } from "../revision-argument.ts";
import { answerOf, given } from "../server-error.ts";
import { channelOf, openSession, type Session, type SessionOptions } from "../session.ts";
import { safeText } from "../terminal-text.ts";
import { outcomesDocument, outcomesText } from "./outcomes.ts";
import { rolloutDocument, rolloutStateText } from "./state.ts";

interface RolloutOptions extends SessionOptions {
  channel?: string | undefined;
  revision?: string | undefined;
}

/** Which release a command is about; revision 0 is the head. */
function releaseOf(options: RolloutOptions, { context }: Session) {
  const revision = options.revision === undefined ? 0n : parseRevision(options.revision);
  return { channel: channelOf(options, context), revision };
}

/** Prints where the rollout of a release stands and how devices fare. */
export async function rolloutStatus(options: RolloutOptions, host: Host): Promise<void> {
  const session = await openSession(options, host);
  const { server, output } = session;
  const answer = await answerOf(server.publish.getRelease(releaseOf(options, session)), server.url);
  const release = given(answer.release, server.url);
  const { rollout, outcomes } = release;
  const document = {
    channel: release.channel,
    revision: Number(release.revision),
    publishedAt: momentText(release.publishedAt),
    rollout: rolloutDocument(rollout),
    outcomes: outcomesDocument(outcomes),
  };
  output.result(document, () =>
    fieldsText(
      [
        ["release", `${safeText(release.channel)} ${revisionText(release.revision)}`],
        ["state", rolloutStateText(rollout, output)],
        ["because", safeText(rollout?.explanation ?? "")],
        ["devices", outcomesText(outcomes, output)],
      ],
      output,
    ),
  );
}

/** Stops offering a release until it is resumed. */
export async function pauseRollout(options: RolloutOptions, host: Host): Promise<void> {
  const session = await openSession(options, host);
  const { server } = session;
  const answer = await answerOf(
    server.publish.pauseRollout(releaseOf(options, session)),
    server.url,
  );
  printChange(answer.rollout, session, "offered to nobody until nix-ota rollout resume");
}

/** Offers a release again, and acknowledges the failures known so far. */
export async function resumeRollout(options: RolloutOptions, host: Host): Promise<void> {
  const session = await openSession(options, host);
  const { server } = session;
  const answer = await answerOf(
    server.publish.resumeRollout(releaseOf(options, session)),
    server.url,
  );
  printChange(answer.rollout, session, "");
}

/** Asks the devices on which a release failed to try it once more. */
export async function retryRollout(options: RolloutOptions, host: Host): Promise<void> {
  const session = await openSession(options, host);
  const { server, output } = session;
  const release = releaseOf(options, session);
  const { deviceCount } = await answerOf(server.publish.retryFailed(release), server.url);
  output.result({ channel: release.channel, deviceCount: Number(deviceCount) }, () =>
    deviceCount === 0n
      ? `no device of ${release.channel} failed; nothing is tried again`
      : `${countOf(deviceCount, "device")} of ${release.channel} asked to try once more`,
  );
}

/** What a pause came to may be less than was asked for: a superseded release stays so. */
function printChange(answered: Rollout | undefined, { server, output }: Session, more: string) {
  const rollout = given(answered, server.url);
  const { channel, revision } = rollout;
  output.result({ channel, revision: Number(revision), rollout: rolloutDocument(rollout) }, () => {
    const explanation = safeText(rollout.explanation) || more;
    const state = `${safeText(channel)} ${revisionText(revision)} is ${rolloutStateText(rollout, output)}`;
    return explanation === "" ? state : `${state}: ${explanation}`;
  });
}
