import { fromBinary } from "@bufbuild/protobuf";
import { publicHalf } from "@nix-ota/proto/key-file";
import { listingDigest, makeListing } from "@nix-ota/proto/listing";
import { ManifestSchema, type Manifest } from "@nix-ota/proto/nixota/v1/manifest_pb";
import { decodeEnvelope } from "@nix-ota/proto/signed-manifest";

import type { Ask } from "../ask.ts";
import type { ClosurePath } from "../closure.ts";
import { createOutput } from "../output.ts";
import { recordingHost, type RecordingHost } from "../recording-host.testkit.ts";
import { signedRelease, type ServerDouble } from "../server-double.testkit.ts";
import { keySigner } from "../signing/signer.ts";
import { closurePath } from "../store-paths.testkit.ts";
import type { Content } from "./content.ts";
import { publish, type Part, type Publication, type ReleaseWishes } from "./publish.ts";

export const KEY = { name: "sign", seed: new Uint8Array(32).fill(7) };
export const STRANGER = new Uint8Array(32).fill(8);
export const OURS = { publicKeys: [publicHalf(KEY).publicKey] };

export const CLOSURE_1 = [
  closurePath("nixos-system-till-1"),
  closurePath("openssh-9.6p1"),
  closurePath("curl-8.1"),
];
export const CLOSURE_2 = [
  closurePath("nixos-system-till-2"),
  closurePath("openssh-9.7p1"),
  closurePath("curl-8.1"),
  closurePath("jq-1.7"),
];

export function partOf(closure: readonly ClosurePath[], more: Partial<Content> = {}): Part {
  const listing = makeListing(closure);
  const bytes = BigInt(closure.length * 1000);
  const digest = listingDigest(listing);
  return {
    content: {
      fleet: "",
      channel: "prod",
      target: "",
      system: "x86_64-linux",
      storePath: closure[0]?.path ?? "",
      substituters: ["https://cache.test"],
      closureBytes: bytes,
      closureDigest: digest,
      notAfterS: 0n,
      message: "",
      sourceRevision: "",
      ...more,
    },
    closure: {
      entries: closure,
      bytes,
      fileSizes: new Map(closure.map(({ path }) => [path, 400])),
      listing,
      digest,
    },
  };
}

export function publicationOf(
  closure: readonly ClosurePath[],
  wishes: Partial<ReleaseWishes> = {},
): Publication {
  return releaseOf([partOf(closure)], wishes);
}

export function releaseOf(
  parts: readonly Part[],
  wishes: Partial<ReleaseWishes> = {},
): Publication {
  return {
    wishes: {
      channel: "prod",
      threshold: 1,
      revision: undefined,
      dryRun: false,
      yes: false,
      requireVerifiable: false,
      ...wishes,
    },
    parts,
    signers: [keySigner(KEY)],
    otherKeys: [],
  };
}

/** Answers every question alike and keeps the questions. */
export function answering(answer: boolean | undefined): Ask & { questions: string[] } {
  const questions: string[] = [];
  const reply = async (question: string): Promise<boolean> => {
    questions.push(question);
    return answer ?? false;
  };
  return {
    possible: answer !== undefined,
    confirm: reply,
    typed: reply,
    secret: async () => "",
    questions,
  };
}

export async function run(
  double: ServerDouble,
  publication: Publication,
  given: { ask?: Ask; json?: boolean; host?: RecordingHost } = {},
): Promise<RecordingHost> {
  const host = given.host ?? recordingHost();
  await publish(publication, {
    server: double.server,
    host,
    output: createOutput(host, { json: given.json ?? false, quiet: false }),
    ask: given.ask ?? answering(undefined),
    needsReboot: async () => true,
  });
  return host;
}

/** The manifests that arrived, in order. */
export function arrived(double: ServerDouble): Manifest[] {
  return double.requests.flatMap(({ envelopes }) =>
    envelopes.map((envelope) => fromBinary(ManifestSchema, decodedPayload(envelope))),
  );
}

export function decodedPayload(envelope: Uint8Array = new Uint8Array()): Uint8Array {
  const decoded = decodeEnvelope(envelope);
  if (!decoded.ok) throw new Error(decoded.message);
  return decoded.envelope.payload;
}

export function ourRelease(revision: bigint, closure = CLOSURE_1) {
  return signedRelease(
    { ...partOf(closure).content, substituters: ["https://cache.test"], revision },
    [KEY.seed],
  );
}
