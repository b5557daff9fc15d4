import { decodeEnvelope } from "@nix-ota/proto/signed-manifest";

import { countOf, revisionText } from "../amounts.ts";
import { CliError } from "../cli-error.ts";
import { deliver } from "./deliver.ts";
import type { ProvenManifest } from "./head.ts";
import type { Plan } from "./plan.ts";
import type { Means, Part, Publication } from "./publish.ts";
import { sayAlreadyPublished, warnUncounted } from "./result.ts";
import { signPayload, unite } from "./sign.ts";

/**
 * Signs manifests that are published already once more, byte for byte as they are: what they say was
 * seen to be what is wanted, and the operator's keys prove who signed it.
 *
 * @returns The newest of their revisions, undefined for a dry run.
 */
export async function addSignatures(
  plan: Plan<Part> & { kind: "add-signatures" },
  { wishes, signers }: Publication,
  means: Means,
): Promise<bigint | undefined> {
  const { server, host, output, ask } = means;
  const { unsigned } = plan;
  const names = signers.map(({ name }) => name || "a key without name").join(", ");
  const what = [...byRevision(unsigned.map(({ current }) => current))].map(
    ([revision, manifests]) =>
      `${revisionText(revision)} on ${wishes.channel} (${countOf(manifests.length, "manifest")})`,
  );
  output.note(
    `published already, not yet signed by ${names}: ${what.join(", ")}\n${unsigned
      .map(({ current: { manifest } }) => `  ${manifest.storePath}`)
      .join("\n")}`,
  );
  if (wishes.dryRun) {
    sayAlreadyPublished(wishes.channel, unsigned, 0, output);
    return undefined;
  }
  if (ask.possible && !wishes.yes && !(await ask.confirm("Add the signature?")))
    throw new CliError("declined", "nothing was signed");
  for (const [, manifests] of byRevision(unsigned.map(({ current }) => current))) {
    const envelopes = [];
    for (const { envelope, manifest } of manifests) {
      const signed = await signPayload(payloadOf(envelope), manifest, signers);
      // Where several have to sign, the server takes no envelope that only one of them signed.
      envelopes.push(unite(envelope, signed.envelope));
    }
    const delivery = { envelopes, listings: [], publicKeys: [], threshold: wishes.threshold };
    warnUncounted(await deliver(server, delivery, host, output), signers, output);
  }
  const all = [...plan.unchanged, ...unsigned];
  sayAlreadyPublished(wishes.channel, all, unsigned.length, output);
  return all.reduce(
    (most, { current: { manifest } }) => (manifest.revision > most ? manifest.revision : most),
    0n,
  );
}

function byRevision(manifests: readonly ProvenManifest[]): Map<bigint, ProvenManifest[]> {
  return Map.groupBy(manifests, ({ manifest }) => manifest.revision);
}

function payloadOf(envelope: Uint8Array): Uint8Array {
  const decoded = decodeEnvelope(envelope);
  if (!decoded.ok) throw new CliError("rejected", decoded.message);
  return decoded.envelope.payload;
}
