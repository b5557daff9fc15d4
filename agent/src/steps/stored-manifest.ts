import type { RejectCodeName } from "@nix-ota/proto";
import type { Manifest } from "@nix-ota/proto/nixota/v1/manifest_pb";

import { AgentError } from "../agent-error.ts";
import type { Agent } from "../agent.ts";
import type { Attempt } from "../attempt.ts";
import { openEnvelope } from "../open-envelope.ts";
import type { Copy } from "../ports/nix.ts";
import { timeSources } from "../time-sources.ts";

export type Opened =
  | {
      readonly ok: true;
      readonly manifest: Manifest;
      readonly envelope: Uint8Array;
      readonly copy: Copy;
    }
  | { readonly ok: false; readonly code: RejectCodeName; readonly message: string };

/**
 * The manifest of an attempt, through the gate once more: it may have expired meanwhile, and a key
 * or cache may have left the configuration.
 */
export async function storedManifest(agent: Agent, attempt: Attempt): Promise<Opened> {
  const { ports, config, notebook } = agent;
  const envelope = await ports.manifests.read(attempt.payloadSha256);
  if (envelope === undefined) {
    throw new AgentError(
      "state",
      `the manifest of revision ${attempt.revision} is gone from the state directory`,
      undefined,
    );
  }
  const device = { ...config, system: ports.host.system() };
  const verdict = openEnvelope(envelope, device, notebook.trust, await timeSources(agent));
  if (!verdict.ok) return verdict;
  const { manifest } = verdict;
  return {
    ok: true,
    manifest,
    envelope,
    copy: {
      storePath: manifest.storePath,
      closureBytes: Number(manifest.closureBytes),
      // A bundle is whole by itself: what it lacks, or what is wrong in it, no cache makes up for.
      ...(attempt.bundled === true
        ? { substituters: [ports.bundles.cacheUrl(attempt.id)], atHand: true }
        : { substituters: [...new Set([...manifest.substituters, ...config.caches])] }),
    },
  };
}
