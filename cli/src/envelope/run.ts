import { writeFile } from "node:fs/promises";

import { CliError } from "../cli-error.ts";
import { connectServer, type Server } from "../client.ts";
import { parseCount } from "../count-argument.ts";
import type { Host } from "../host.ts";
import { parseName } from "../name-argument.ts";
import { createOutput, type Output } from "../output.ts";
import { readPublicKey } from "../public-key-argument.ts";
import { envelopesOf } from "../release-file/envelopes.ts";
import { isReleaseFile, readRelease } from "../release-file/read.ts";
import { parseRevision } from "../revision-argument.ts";
import { serverAccess, type ServerOptions } from "../server-access.ts";
import { inspectEnvelope, inspectRelease } from "./inspect.ts";
import { readEnvelope, type EnvelopeSource } from "./source.ts";
import { verifyEnvelope, verifyEnvelopes } from "./verify.ts";

export interface SourceOptions extends ServerOptions {
  channel?: string | undefined;
  revision?: string | undefined;
  target?: string | undefined;
  json: boolean;
  quiet: boolean;
}

interface VerifyOptions extends SourceOptions {
  publicKey: string[];
  threshold: string;
  fleet?: string | undefined;
  system?: string | undefined;
}

/** Runs `verify`. */
export async function runVerify(
  file: string | undefined,
  options: VerifyOptions,
  host: Host,
): Promise<void> {
  const output = createOutput(host, options);
  const source = sourceOf(file, options);
  if (options.publicKey.length === 0)
    throw new CliError("usage", "no key to verify under; give --public-key, as devices pin it");
  const publicKeys = await Promise.all(options.publicKey.map(readPublicKey));
  const threshold = parseCount("--threshold", options.threshold, 1, publicKeys.length);
  if (source.kind === "file" && (await isReleaseFile(source.file))) {
    const { fleet, channel, target, system } = options;
    const demands = { publicKeys, threshold, fleet, channel, target, system, revision: undefined };
    const envelopes = envelopesOf(await readRelease(source.file));
    return verifyEnvelopes(envelopes, demands, host.now(), output);
  }
  const envelope = await readEnvelope(source, () => connect(options, host, output));
  // What was asked of the server must also be what is signed.
  const target = source.kind === "release" ? source.target : options.target;
  const { fleet, channel, system } = options;
  const demands = { publicKeys, threshold, fleet, channel, target, system };
  const revision = source.kind === "release" && source.revision > 0n ? source.revision : undefined;
  verifyEnvelope(envelope, { ...demands, revision }, host.now(), output);
}

/** Runs `inspect`. */
export async function runInspect(
  file: string | undefined,
  options: SourceOptions & { save?: string | undefined },
  host: Host,
): Promise<void> {
  const output = createOutput(host, options);
  const source = sourceOf(file, options);
  if (source.kind === "file" && (await isReleaseFile(source.file))) {
    if (options.save !== undefined)
      throw new CliError("usage", "--save writes an envelope, and a release file is none");
    return inspectRelease(await readRelease(source.file), output);
  }
  const envelope = await readEnvelope(source, () => connect(options, host, output));
  inspectEnvelope(envelope, output);
  if (options.save === undefined) return;
  await writeFile(options.save, envelope, { flag: "wx" }).catch((error: unknown) => {
    throw new CliError("file", `${options.save} cannot be made; give a file that does not exist`, {
      cause: error,
    });
  });
  output.note(`envelope: ${options.save}`);
}

/** Where the options say that the envelope is. */
export function sourceOf(file: string | undefined, options: SourceOptions): EnvelopeSource {
  if (options.channel !== undefined) parseName("--channel", options.channel);
  if (options.target !== undefined && options.target !== "") parseName("--target", options.target);
  if (file !== undefined) return { kind: "file", file };
  if (options.channel === undefined)
    throw new CliError("usage", "nothing to read; name a file, or a --channel of the server");
  return {
    kind: "release",
    channel: options.channel,
    target: options.target ?? "",
    revision: options.revision === undefined ? 0n : parseRevision(options.revision),
  };
}

/** The server that the options name. */
export async function connect(options: ServerOptions, host: Host, output: Output): Promise<Server> {
  const { url, token } = await serverAccess(options, host, output);
  return connectServer(url, token);
}
