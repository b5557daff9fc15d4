import { printPublicKey } from "@nix-ota/proto/key-file";
import { EnrolmentMode, type Channel } from "@nix-ota/proto/nixota/v1/channel_pb";

import { terminalAsk, type Ask } from "../ask.ts";
import { CliError } from "../cli-error.ts";
import type { Server } from "../client.ts";
import { parseCount } from "../count-argument.ts";
import type { Host } from "../host.ts";
import { parseName } from "../name-argument.ts";
import type { Output } from "../output.ts";
import { readPublicKey } from "../public-key-argument.ts";
import { answerOf, given } from "../server-error.ts";
import { openSession, type SessionOptions } from "../session.ts";
import { safeText } from "../terminal-text.ts";
import { channelDocument } from "./document.ts";

/** Most keys that a channel has. */
const MAX_KEYS = 16;

const MODES = {
  open: EnrolmentMode.OPEN,
  token: EnrolmentMode.TOKEN,
  approve: EnrolmentMode.APPROVE,
} as const;

/** What `channel create` and `channel set` have in common. */
interface ChannelOptions extends SessionOptions {
  publicKey: string[];
  threshold?: string | undefined;
  enrolment?: keyof typeof MODES | undefined;
}

/** Makes a channel. */
export async function createChannel(
  name: string,
  options: ChannelOptions,
  host: Host,
): Promise<void> {
  parseName("channel", name);
  const publicKeys = await readKeys(options.publicKey);
  const most = Math.max(1, publicKeys.length);
  const threshold = parseCount("--threshold", options.threshold ?? "1", 1, most);
  const { server, output } = await openSession(options, host);
  const request = { name, publicKeys, threshold, enrolment: modeOf(options) };
  const answer = await answerOf(server.channel.createChannel(request), server.url);
  printChannel(given(answer.channel, server.url), "is made", output);
}

/** Changes what is given of a channel. Other keys are shown first, and asked about. */
export async function setChannel(
  name: string,
  options: ChannelOptions & { yes: boolean },
  host: Host,
  ask: Ask = terminalAsk(host),
): Promise<void> {
  parseName("channel", name);
  const changesKeys = options.publicKey.length > 0 || options.threshold !== undefined;
  if (!changesKeys && options.enrolment === undefined)
    throw new CliError("usage", "nothing to set; give --public-key, --threshold or --enrolment");
  const { server, output } = await openSession(options, host);
  const keys = changesKeys ? await newKeys(name, options, server) : undefined;
  if (keys !== undefined) await askAboutKeys(keys, options, ask, output);
  const request = { name, enrolment: modeOf(options), ...(keys && { keys: keys.after }) };
  const answer = await answerOf(server.channel.updateChannel(request), server.url);
  printChannel(given(answer.channel, server.url), "is set", output);
}

/** Holds all offers of a channel back, or lets them go on. */
export async function pauseChannel(
  name: string,
  paused: boolean,
  options: SessionOptions,
  host: Host,
): Promise<void> {
  parseName("channel", name);
  const { server, output } = await openSession(options, host);
  const answer = await answerOf(server.channel.updateChannel({ name, paused }), server.url);
  const did = paused
    ? `offers nothing until nix-ota channel resume ${name}`
    : "offers its head again";
  printChannel(given(answer.channel, server.url), did, output);
}

interface KeyChange {
  before: Channel;
  after: { publicKeys: Channel["publicKeys"] | Keys; threshold: number };
}
type Keys = Awaited<ReturnType<typeof readKeys>>;

async function newKeys(name: string, options: ChannelOptions, server: Server): Promise<KeyChange> {
  const keys = await readKeys(options.publicKey);
  const answer = await answerOf(server.channel.getChannel({ name }), server.url);
  const before = given(answer.channel, server.url);
  const publicKeys = keys.length === 0 ? before.publicKeys : keys;
  if (publicKeys.length === 0)
    throw new CliError("usage", `${name} has no keys to count; give --public-key as well`);
  const text = options.threshold ?? `${before.threshold}`;
  return {
    before,
    after: { publicKeys, threshold: parseCount("--threshold", text, 1, publicKeys.length) },
  };
}

/** What the channel's keys sign is published: a slip here locks every publisher out. */
async function askAboutKeys(
  { before, after }: KeyChange,
  options: { yes: boolean },
  ask: Ask,
  output: Output,
): Promise<void> {
  const texts = (keys: KeyChange["after"]["publicKeys"]): string[] =>
    keys.map(({ key, name }) => printPublicKey({ name, publicKey: key }));
  const [was, is] = [texts(before.publicKeys), texts(after.publicKeys)];
  output.show(
    [
      `${safeText(before.name)}: ${before.threshold} of ${was.length} → ${after.threshold} of ${is.length} keys sign`,
      ...was.filter((key) => !is.includes(key)).map((key) => `  - ${safeText(key)}`),
      ...is.map((key) => `  ${was.includes(key) ? " " : "+"} ${safeText(key)}`),
      "Devices go on trusting the keys that they pin themselves.",
    ].join("\n"),
  );
  if (options.yes) return;
  if (!ask.possible)
    throw new CliError("usage", "other keys are asked about; without a terminal give --yes");
  if (!(await ask.confirm("Set these keys?")))
    throw new CliError("declined", "not confirmed; nothing was changed");
}

async function readKeys(texts: readonly string[]) {
  if (texts.length > MAX_KEYS)
    throw new CliError("usage", `--public-key is given ${texts.length} times, over ${MAX_KEYS}`);
  const keys = await Promise.all(texts.map(readPublicKey));
  return keys.map(({ name, publicKey }) => ({ name, key: publicKey }));
}

function modeOf({ enrolment }: ChannelOptions): EnrolmentMode {
  return enrolment === undefined ? EnrolmentMode.UNSPECIFIED : MODES[enrolment];
}

function printChannel(channel: Channel, did: string, output: Output): void {
  output.result(channelDocument(channel), () => `channel ${safeText(channel.name)} ${did}`);
}
