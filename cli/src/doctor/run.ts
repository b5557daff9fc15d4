import type { Channel } from "@nix-ota/proto/nixota/v1/channel_pb";

import { countOf } from "../amounts.ts";
import { CliError } from "../cli-error.ts";
import { connectServer, type Server } from "../client.ts";
import { chosenContext, type ChosenContext } from "../context/chosen-context.ts";
import type { Host } from "../host.ts";
import { parseName } from "../name-argument.ts";
import { nixVersion } from "../nix.ts";
import { createOutput, type Output } from "../output.ts";
import { serverAccess, type ServerAccess } from "../server-access.ts";
import type { SessionOptions } from "../session.ts";
import { checkCache } from "./cache-check.ts";
import { findingsText, type Finding } from "./finding.ts";
import { checkKey } from "./key-check.ts";
import { checkServer } from "./server-check.ts";
import { checkToken } from "./token-check.ts";

interface DoctorOptions extends SessionOptions {
  channel?: string | undefined;
  key: string[];
  substituter: string[];
}

/**
 * Looks at everything that a publish needs, and prints what it found with what to do.
 *
 * @throws {CliError} `diagnosed` after that, when something is wrong.
 */
export async function runDoctor(options: DoctorOptions, host: Host): Promise<void> {
  const output = createOutput(host, options);
  const findings: Finding[] = [];
  const { access, context } = await readAccess(options, host, output, findings);
  const channelName = options.channel ?? context?.channel;
  if (channelName !== undefined) parseName("--channel", channelName);
  findings.push(await checkNix(host.signal));
  const server = access && connectServer(access.url, access.token);
  if (access !== undefined && server !== undefined) {
    const reached = await checkServer(access.url, host);
    findings.push(...reached);
    // What is wrong with the way to the server would be said of the token once more.
    if (
      access.token !== undefined &&
      reached.some(({ check, verdict }) => check === "server" && verdict === "wrong")
    )
      findings.push(skipped("token", "the server is to be mended first"));
    else findings.push(...(await checkToken(server, access.token !== undefined, host.now())));
  }
  const { channel, headPath } = await headOf(server, channelName);
  const files = options.key.length > 0 ? options.key : (context?.keys ?? []);
  for (const file of files) findings.push(await checkKey(file, channel));
  const caches = options.substituter.length > 0 ? options.substituter : context?.substituters;
  for (const url of caches ?? []) findings.push(await checkCache(url, headPath, host));
  findings.push(...unnamed(files, caches));
  report(findings, output);
}

/** Where to call and by what right: what is wrong with that is a finding, not the end. */
async function readAccess(
  options: DoctorOptions,
  host: Host,
  output: Output,
  findings: Finding[],
): Promise<{ access?: ServerAccess; context?: ChosenContext | undefined }> {
  const add = (verdict: Finding["verdict"], found: string, remedy = ""): void => {
    findings.push({ check: "configuration", verdict, found, remedy });
  };
  try {
    const context = await chosenContext(options, host);
    const access = await serverAccess(options, host, {
      ...output,
      warn: (text) => add("warning", text),
    });
    add("ok", context === undefined ? "no context" : `context ${context.name}`);
    return { access, context };
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    add("wrong", error.message);
    return {};
  }
}

async function checkNix(signal: AbortSignal): Promise<Finding> {
  try {
    return { check: "nix", verdict: "ok", found: await nixVersion(signal), remedy: "" };
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    // Everything but a publish that reads the local store works without.
    return { check: "nix", verdict: "warning", found: error.message, remedy: "" };
  }
}

/** What keys and caches are compared with; none of it where it may not be read. */
async function headOf(
  server: Server | undefined,
  name: string | undefined,
): Promise<{ channel?: Channel | undefined; headPath?: string | undefined }> {
  if (server === undefined || name === undefined) return {};
  try {
    const { channel } = await server.channel.getChannel({ name });
    const { release } = await server.publish.getRelease({ channel: name });
    return { channel, headPath: release?.manifests[0]?.storePath };
  } catch {
    // Whether the server answers and the token is good was looked at above.
    return {};
  }
}

function unnamed(files: readonly string[], caches: readonly string[] | undefined): Finding[] {
  return [
    ...(files.length === 0 ? [skipped("key", "none is named; give --key")] : []),
    ...((caches ?? []).length === 0 ? [skipped("cache", "none is named; give --substituter")] : []),
  ];
}

function skipped(check: Finding["check"], found: string): Finding {
  return { check, verdict: "skipped", found, remedy: "" };
}

function report(findings: readonly Finding[], output: Output): void {
  const wrong = findings.filter(({ verdict }) => verdict === "wrong").length;
  output.result({ healthy: wrong === 0, findings }, () => findingsText(findings, output));
  if (wrong > 0)
    throw new CliError(
      "diagnosed",
      `${countOf(wrong, "check")} of ${findings.length} found something wrong`,
    );
}
