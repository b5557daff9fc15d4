import { terminalAsk } from "../ask.ts";
import { CliError } from "../cli-error.ts";
import { connectServer } from "../client.ts";
import { chosenContext } from "../context/chosen-context.ts";
import { parseCount } from "../count-argument.ts";
import { createDurableFile, createProblem, replaceDurableFile } from "../durable-file.ts";
import type { Host } from "../host.ts";
import { parseName } from "../name-argument.ts";
import { createOutput } from "../output.ts";
import { readPublicKey } from "../public-key-argument.ts";
import { readParts } from "../publish/read-parts.ts";
import { warnOpenCaches, withContext, type GivenPublishOptions } from "../publish/run.ts";
import { readContentWishes, readReleaseWishes } from "../publish/wishes.ts";
import { parseRevision } from "../revision-argument.ts";
import { serverAccess } from "../server-access.ts";
import {
  MAX_SIGNERS,
  expectSigners,
  readSigners,
  type SignerOptions,
} from "../signing/read-signers.ts";
import { expectWanted, readWanted } from "../targets/read-wanted.ts";
import { needsReboot } from "../toplevel.ts";
import { prepareRelease, sayPrepared } from "./prepare.ts";
import { isReleaseFile, readRelease } from "./read.ts";
import { RELEASE_FILE_LIMIT_BYTES, printReleaseFile, type ReleaseFile } from "./release-file.ts";
import { saySigned, signRelease } from "./sign.ts";

/** Runs `prepare`. */
export async function runPrepare(
  given: GivenPublishOptions & { out: string },
  host: Host,
): Promise<void> {
  const options = withContext(given, await chosenContext(given, host));
  const output = createOutput(host, options);
  const ask = terminalAsk(host);
  expectWanted(options);
  const content = readContentWishes(options, host.now());
  const wishes = readReleaseWishes(options, 0);
  const access = await serverAccess(options, host, output);
  const publicKeys = await Promise.all(options.publicKey.map(readPublicKey));
  warnOpenCaches(content.substituters, output);
  const wanted = await readWanted(options, output, host.signal);
  const parts = await readParts(wanted, content, output, host.signal);
  const server = connectServer(access.url, access.token);
  const prepared = await prepareRelease(
    { wishes, parts, publicKeys },
    { server, host, output, ask, needsReboot },
  );
  if (prepared === undefined) return;
  await write(prepared.release, async (text) => createDurableFile(options.out, text), options.out);
  sayPrepared(prepared.preview, options.out, output);
}

/** The command line of sign as it was given. */
export interface SignOptions extends SignerOptions {
  publicKey: string[];
  threshold: string;
  channel?: string | undefined;
  revision?: string | undefined;
  out?: string | undefined;
  yes: boolean;
  json: boolean;
  quiet: boolean;
}

/** Runs `sign`. Asks nothing of any network. */
export async function runSign(file: string, options: SignOptions, host: Host): Promise<void> {
  const output = createOutput(host, options);
  const ask = terminalAsk(host);
  expectSigners(options);
  const keyCount = options.key.length + options.keyCommand.length + options.publicKey.length;
  const wishes = {
    channel: options.channel === undefined ? undefined : parseName("--channel", options.channel),
    revision: options.revision === undefined ? undefined : parseRevision(options.revision),
    threshold: parseCount("--threshold", options.threshold, 1, Math.min(keyCount, MAX_SIGNERS)),
    yes: options.yes,
  };
  const release = await readRelease(file);
  if (options.out === undefined && !(await isReleaseFile(file)))
    throw new CliError("usage", `${file} is an envelope and stays as it is; give --out`);
  const signers = await readSigners(options, ask, host);
  const otherKeys = await Promise.all(options.publicKey.map(readPublicKey));
  const means = { host, output, ask };
  const signed = await signRelease(release, { signers, otherKeys }, wishes, means);
  const out = options.out ?? file;
  const put = options.out === undefined ? replaceDurableFile : createDurableFile;
  await write(signed, async (text) => put(out, text), out);
  saySigned(signed, out, signers, output);
}

async function write(
  release: ReleaseFile,
  put: (text: string) => Promise<void>,
  file: string,
): Promise<void> {
  const text = printReleaseFile(release);
  if (text.length > RELEASE_FILE_LIMIT_BYTES)
    throw new CliError(
      "file",
      `the release needs over ${RELEASE_FILE_LIMIT_BYTES} bytes; prepare its targets in two releases`,
    );
  await put(text).catch((cause: unknown) => {
    throw new CliError("file", createProblem(cause, file), { cause });
  });
}
