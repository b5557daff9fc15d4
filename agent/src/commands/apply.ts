import { realpath } from "node:fs/promises";

import { toHex } from "@nix-ota/proto/hash";
import { REJECT_REMEDY, withRemedy } from "@nix-ota/proto/remedy";

import { AgentError } from "../agent-error.ts";
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
  async run(call) {
    const { options, print, ports } = call;
    const signal = stopSignal();
    const request: Request = { id: ports.chance.id(), wish: { to: "apply" } };
    try {
      // What an earlier run that was killed left takes the room that this one needs.
      if (options["dry-run"] !== true) await sweep(call);
      const bundle = await openBundle(await folderAt(String(options["bundle"])));
      const judged = await judge(call, bundle.envelope);
      if (judged.committed) {
        print(`${judged.name} is committed; there is nothing to do\n`);
        return STATUS.done;
      }
      const seen = await bundle.lookThrough(judged);
      const told = `${judged.name}: ${seen.paths} paths, ${mib(seen.bytes)}`;
      if (options["dry-run"] === true) {
        print(`${told}; the device takes it, if its NARs are whole\n`);
        return STATUS.done;
      }
      print(`${told}; copying\n`);
      await copy(call, request, seen, signal);
    } catch (cause) {
      if (cause instanceof AgentError && cause.kind === "bundle") {
        print(`${cause.message}\n`);
        return STATUS.refused;
      }
      if (!signal.aborted) throw cause;
      print("given up before all of the bundle was copied; nothing has changed\n");
      return STATUS.waits;
    }
    return await answerTo(call, request, options["no-wait"] === true ? "begun" : "ended", signal);
  },
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
    await seen.copyTo(place.folder, signal);
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
    const why = withRemedy(verdict.message, REJECT_REMEDY[verdict.code]);
    throw new AgentError("bundle", `the bundle is refused as ${verdict.code}: ${why}`, undefined);
  }
  const { storePath, closureDigest, closureBytes, channel, revision } = verdict.manifest;
  return {
    name: `r${revision} of ${channel}`,
    committed: trust.channels[channel]?.committed?.payloadSha256 === toHex(verdict.payloadSha256),
    storePath,
    closureDigest,
    most: await mostBytes(call, Number(closureBytes)),
  };
}

/** What the NARs may have: what the manifest announces, and what there is room for. */
async function mostBytes({ config, ports }: Call, closureBytes: number): Promise<Judged["most"]> {
  const { stateDir, settings } = config;
  const { budgetPercent, budgetSlackBytes } = settings.fetch;
  const space = await ports.space.freeIfThere(stateDir);
  const room = Math.max(0, (space?.freeBytes ?? Infinity) - settings.preflight.stateFreeBytes);
  const announced =
    closureBytes === 0 ? Infinity : (closureBytes * budgetPercent) / 100 + budgetSlackBytes;
  return announced < room
    ? {
        bytes: announced,
        why: "is the most that its manifest leaves room for; make it anew with `nix-ota bundle`",
      }
    : { bytes: room, why: `is free for it in the state directory ${stateDir}; free space there` };
}
