import { realpath } from "node:fs/promises";

import { toHex } from "@nix-ota/proto/hash";
import { REJECT_REMEDY, withRemedy } from "@nix-ota/proto/remedy";

import { AgentError } from "../agent-error.ts";
import type { AgentErrorKind } from "../agent-error.ts";
import { openEnvelope } from "../open-envelope.ts";
import type { Request } from "../request.ts";
import { STATUS } from "../request.ts";
import { mib } from "../spell-bytes.ts";
import type { Judged, SeenBundle } from "../state/take-bundle.ts";
import { openBundle } from "../state/take-bundle.ts";
import { timeSources } from "../time-sources.ts";
import { answerTo } from "./ask.ts";
import type { Call, Command } from "./command.ts";
import { stopSignal } from "./under-lock.ts";

/**
 * `apply --bundle FOLDER [--dry-run] [--no-wait]`: a release without server and caches. Signatures of
 * manifest and paths, floor, quarantine and digest hold as they do over the network.
 */
export const apply: Command = {
  options: {
    bundle: { type: "string" },
    "dry-run": { type: "boolean" },
    "no-wait": { type: "boolean" },
  },
  needs: ["bundle"],
  run: async (call) => await applyBundle(call, stopSignal()),
};

/** Does it until the signal, which before the wish is durable leaves everything as it was. */
export async function applyBundle(call: Call, signal: AbortSignal): Promise<number> {
  const { options, print, ports } = call;
  const request: Request = { id: ports.chance.id(), wish: { to: "apply" } };
  try {
    // What an earlier run that was killed left takes the room that this one needs.
    if (options["dry-run"] !== true) await sweep(call);
    const bundle = await openBundle(await folderAt(String(options["bundle"])), signal);
    const judged = await judge(call, bundle.envelope);
    if (judged.committed) {
      print(`${judged.name} is committed; there is nothing to do\n`);
      return STATUS.done;
    }
    const seen = await bundle.lookThrough(judged);
    await expectRoom(call, seen.bytes);
    const told = `${judged.name}: ${seen.paths} paths, ${mib(seen.bytes)}`;
    if (options["dry-run"] === true) {
      print(`${told}; the device takes it, if its NARs are whole\n`);
      return STATUS.done;
    }
    print(`${told}; copying\n`);
    await copy(call, request, seen, signal);
  } catch (cause) {
    const told = cause instanceof AgentError ? cause : undefined;
    const status = told && STATUS_OF_KIND[told.kind];
    if (told !== undefined && status !== undefined) {
      print(`${told.message}\n`);
      return status;
    }
    if (!signal.aborted) throw cause;
    print("given up before all of the bundle was copied; nothing has changed\n");
    return STATUS.waits;
  }
  return await answerTo(call, request, options["no-wait"] === true ? "begun" : "ended", signal);
}

/** What is wrong with the bundle is wrong with it for good; the device may take it at another moment. */
const STATUS_OF_KIND: Partial<Record<AgentErrorKind, number>> = {
  bundle: STATUS.refused,
  room: STATUS.waits,
  busy: STATUS.waits,
};

async function folderAt(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (cause) {
    throw new AgentError(
      "bundle",
      `${path} is not there; name a folder that \`nix-ota bundle\` made`,
      cause,
    );
  }
}

/** Where nobody changes it any more, and asks for it: whole and durable, or not at all. */
async function copy(
  { ports, config }: Call,
  request: Request,
  seen: SeenBundle,
  signal: AbortSignal,
): Promise<void> {
  await ports.disk.makeDirectory(config.stateDir);
  const place = await ports.bundles.open(request.id);
  try {
    await seen.copyTo(place.folder);
    await place.sync(signal);
    await ports.requests.put(request);
  } finally {
    place.close();
    await sweep({ ports });
  }
}

/** Deletes bundles that nobody asks for any more. */
async function sweep({ ports }: Pick<Call, "ports">): Promise<void> {
  await ports.bundles.keep(async () => (await ports.requests.pending()).map(({ id }) => id));
}

/** The gate before gigabytes are copied; the agent puts the copy through it once more. */
async function judge(
  call: Call,
  envelope: Uint8Array,
): Promise<Judged & { readonly name: string; readonly committed: boolean }> {
  const { config, ports } = call;
  const trust = await ports.trust.read();
  const device = { ...config, system: ports.host.system() };
  const time = await timeSources({ ports, config, notebook: { trust } });
  const verdict = openEnvelope(envelope, device, trust, time);
  if (!verdict.ok) {
    // Whoever brought it is told. An offer's refusal is reported because nobody stands there.
    ports.log("warn", `manifest of a bundle refused: ${verdict.message}`, { code: verdict.code });
    const why = withRemedy(verdict.message, REJECT_REMEDY[verdict.code]);
    throw new AgentError("bundle", `the bundle is refused as ${verdict.code}: ${why}`, undefined);
  }
  const { storePath, closureDigest, closureBytes, channel, revision } = verdict.manifest;
  return {
    name: `r${revision} of ${channel}`,
    committed: trust.channels[channel]?.committed?.payloadSha256 === toHex(verdict.payloadSha256),
    storePath,
    closureDigest,
    mostBytes: announcedBytes(call, Number(closureBytes)),
  };
}

/** What the NARs may have where the manifest says how much that is. */
function announcedBytes({ config }: Call, closureBytes: number): number {
  const { budgetPercent, budgetSlackBytes } = config.settings.fetch;
  return closureBytes === 0 ? Infinity : (closureBytes * budgetPercent) / 100 + budgetSlackBytes;
}

async function expectRoom({ config, ports }: Call, bytes: number): Promise<void> {
  const { stateDir, settings } = config;
  const { freeBytes } = (await ports.space.freeIfThere(stateDir)) ?? { freeBytes: Infinity };
  const room = Math.max(0, freeBytes - settings.preflight.stateFreeBytes);
  if (bytes <= room) return;
  throw new AgentError(
    "room",
    `the bundle has ${mib(bytes)}, but ${mib(room)} is free for it in the state directory ${stateDir}; free space there, and apply it again`,
    undefined,
  );
}
