import { toHex } from "@nix-ota/proto/hash";
import { keyId, printPublicKey } from "@nix-ota/proto/key-file";
import { EnrolmentModeSchema, type Channel } from "@nix-ota/proto/nixota/v1/channel_pb";
import type { Rollout } from "@nix-ota/proto/nixota/v1/rollout_pb";

import { relativeTime, revisionText } from "../amounts.ts";
import { enumText } from "../enum-text.ts";
import type { Host } from "../host.ts";
import { momentMs, momentText } from "../moment.ts";
import { parseName } from "../name-argument.ts";
import type { Output } from "../output.ts";
import { fieldsText } from "../print-fields.ts";
import { rolloutDocument, rolloutStateText } from "../rollout/state.ts";
import { answerOf, given } from "../server-error.ts";
import { channelOf, openSession, type SessionOptions } from "../session.ts";
import { shellWord } from "../shell-word.ts";
import { safeText } from "../terminal-text.ts";
import { channelDocument } from "./document.ts";

/** Prints all that is known of a channel: the named one, else the context's. */
export async function showChannel(
  name: string | undefined,
  options: SessionOptions,
  host: Host,
): Promise<void> {
  if (name !== undefined) parseName("channel", name);
  const { server, output, context } = await openSession(options, host);
  const wanted = channelOf({ channel: name }, context);
  const answer = await answerOf(server.channel.getChannel({ name: wanted }), server.url);
  const channel = given(answer.channel, server.url);
  const document = { ...channelDocument(channel), rollout: rolloutDocument(answer.rollout) };
  output.result(document, () => channelText(channel, answer.rollout, host.now(), output));
}

function channelText(
  channel: Channel,
  rollout: Rollout | undefined,
  nowMs: number,
  output: Output,
): string {
  const fields: [string, string][] = [
    ["channel", safeText(channel.name)],
    ["head", channel.headRevision === 0n ? "no release yet" : revisionText(channel.headRevision)],
    ["verified", floorText(channel, output)],
    ["offers", channel.paused ? output.paint("yellow", "paused") : "on"],
    ["rollout", rolloutStateText(rollout, output)],
    ["because", safeText(rollout?.explanation ?? "")],
    ["signed by", keysText(channel)],
    ["enrolment", enumText(EnrolmentModeSchema, channel.enrolment) || "the server's default"],
    ["made", madeText(channel, nowMs)],
  ];
  return fieldsText(fields, output);
}

/** Devices above the head are how a restored backup shows. */
function floorText({ fleetFloorRevision, headRevision, name }: Channel, output: Output): string {
  if (fleetFloorRevision === 0n) return "";
  const upTo = `up to ${revisionText(fleetFloorRevision)} by devices`;
  if (fleetFloorRevision <= headRevision) return upTo;
  return output.paint(
    "red",
    `${upTo}, above the head: this server was restored from an older backup, or a device lies; nix-ota channel recover ${shellWord(name)} --dry-run shows what can be had back`,
  );
}

function keysText({ publicKeys, threshold }: Channel): string {
  if (publicKeys.length === 0) return "no key yet; the first publish pins its own";
  const keys = publicKeys.map(({ key, name }) =>
    safeText(`${printPublicKey({ name, publicKey: key })} (key id ${toHex(keyId(key))})`),
  );
  return [`${threshold} of these`, ...keys].join("\n");
}

function madeText({ createdAt }: Channel, nowMs: number): string {
  const at = momentText(createdAt);
  return at === null ? "" : `${relativeTime(momentMs(createdAt), nowMs)} (${at})`;
}
