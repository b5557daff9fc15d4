import { isId, isSystem } from "@nix-ota/proto/ids";
import { ManifestSchema, type Manifest } from "@nix-ota/proto/nixota/v1/manifest_pb";
import { isStorePath } from "@nix-ota/proto/store-path";
import { strictParse } from "@nix-ota/proto/strict-parse";
import { ANY_SUBSTITUTER, checkSubstituterUrl } from "@nix-ota/proto/substituter-url";

/**
 * Reads a payload that somebody else made, or says what is wrong with it. All that is shown of it has
 * the form that it should have, so that nothing in it can pass for something else on a terminal; and
 * there is nothing in it that is not shown.
 */
export function readSoundManifest(
  payload: Uint8Array,
): { ok: true; manifest: Manifest } | { ok: false; why: string } {
  // No unknown field of any kind: it could not be shown.
  const parsed = strictParse(ManifestSchema, payload, "none");
  if (!parsed.ok) return { ok: false, why: parsed.why };
  const manifest = parsed.message;
  const { channel, target, fleet, nextChannel, system, storePath, substituters } = manifest;
  const optional = (name: string): boolean => name === "" || isId(name);
  if (!isId(channel)) return { ok: false, why: "its channel is no name" };
  if (![target, fleet, nextChannel].every(optional))
    return { ok: false, why: "a target, fleet or channel in it is no name" };
  if (!isSystem(system)) return { ok: false, why: "its system is none" };
  if (!isStorePath(storePath)) return { ok: false, why: "its store path is none" };
  if (substituters.some((url) => checkSubstituterUrl(url, ANY_SUBSTITUTER) !== undefined))
    return { ok: false, why: "one of its caches is no plain URL" };
  return { ok: true, manifest };
}
