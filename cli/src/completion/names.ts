import { isId } from "@nix-ota/proto/ids";

import { connectServer } from "../client.ts";
import { readConfigFile } from "../context/config-file.ts";
import type { Host } from "../host.ts";
import { createOutput } from "../output.ts";
import { serverAccess } from "../server-access.ts";

/** A person who pressed Tab waits no longer. */
const LIMIT_MS = 1500;

/** More than these nobody reads. */
const MOST = 200;

/**
 * Names that begin as typed. None where they cannot be had, whatever the cause: a person who is
 * typing wants no error among the words.
 */
export async function namesFor(
  kind: "channels" | "devices" | "contexts",
  typed: string,
  given: ReadonlyMap<string, string>,
  host: Host,
): Promise<readonly string[]> {
  try {
    const names =
      kind === "contexts" ? await contexts(host) : await asked(kind, typed, given, host);
    // The shell takes them as words: what is no name of ours must not become one.
    return names.filter((name) => isId(name) && name.startsWith(typed));
  } catch {
    return [];
  }
}

async function contexts(host: Host): Promise<string[]> {
  return [...(await readConfigFile(host.env)).config.contexts.keys()];
}

async function asked(
  kind: "channels" | "devices",
  typed: string,
  given: ReadonlyMap<string, string>,
  host: Host,
): Promise<string[]> {
  const silent = { ...createOutput(host, { json: false, quiet: true }), warn: () => {} };
  const options = {
    context: given.get("context"),
    server: given.get("server"),
    tokenFile: given.get("tokenFile"),
    token: given.get("token"),
  };
  const { url, token } = await serverAccess(options, host, silent);
  const server = connectServer(url, token);
  const limits = { timeoutMs: LIMIT_MS, signal: host.signal };
  if (kind === "channels") {
    const { channels } = await server.channel.listChannels({ pageSize: MOST }, limits);
    return channels.map(({ name }) => name);
  }
  if (typed !== "" && !isId(typed)) return [];
  const filter = typed === "" ? "" : `id:${typed}*`;
  const { devices } = await server.checkin.listDevices({ filter, pageSize: MOST }, limits);
  return devices.map(({ id }) => id);
}
