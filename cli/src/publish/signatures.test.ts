import { create } from "@bufbuild/protobuf";
import { sha256, toHex } from "@nix-ota/proto/hash";
import { keyId, publicHalf } from "@nix-ota/proto/key-file";
import { DeviceSchema, DeviceStanding, type Device } from "@nix-ota/proto/nixota/v1/device_pb";
import type { Manifest } from "@nix-ota/proto/nixota/v1/manifest_pb";
import { expect, it } from "vitest";

import { recordingHost } from "../recording-host.testkit.ts";
import { serverDouble, signedRelease } from "../server-double.testkit.ts";
import { keySigner } from "../signing/signer.ts";
import { proveManifest } from "./head.ts";
import {
  KEY,
  STRANGER,
  CLOSURE_1,
  partOf,
  publicationOf,
  run,
  arrived,
  decodedPayload,
} from "./publication.testkit.ts";

it("publishing what is head already with one more key adds its signature", async () => {
  const double = serverDouble();
  await run(double, publicationOf(CLOSURE_1));
  const second = { name: "second", seed: STRANGER };
  const both = {
    ...publicationOf(CLOSURE_1),
    signers: [keySigner(second)],
    otherKeys: [publicHalf(KEY)],
  };
  const host = await run(double, both);
  expect(host.out()).toBe("already published as r1 on prod; 1 manifest signed once more\n");
  const stored = double.releases.get(1n)?.manifests[0];
  // What arrives is signed by both: a server that wants two takes no envelope of one.
  const verdict = proveManifest(double.requests[1]?.envelopes[0] ?? new Uint8Array(), "prod", {
    publicKeys: [KEY, second].map((key) => publicHalf(key).publicKey),
    threshold: 2,
  });
  expect(verdict).toMatchObject({ ok: true });
  expect(toHex(stored?.payloadSha256 ?? new Uint8Array())).toBe(
    toHex(sha256(decodedPayload(double.requests[0]?.envelopes[0]))),
  );
  // And once it has it, there is nothing to do.
  const again = await run(double, both);
  expect(again.out()).toBe("already published as r1 on prod\n");
  expect(double.requests).toHaveLength(2);
});

it.each<
  [
    string,
    Partial<
      Pick<Manifest, "minAgentLevel" | "nextChannel" | "allowKeyChange" | "allowAgentRemoval">
    >,
  ]
>([
  ["agent level", { minAgentLevel: 2 }],
  ["next channel", { nextChannel: "lab" }],
  ["leave to change keys", { allowKeyChange: true }],
  ["leave to go without agent", { allowAgentRemoval: true }],
])(
  "signing is no oracle: a published manifest that differs in %s is not signed once more",
  async (_, leave) => {
    const double = serverDouble();
    const { content } = partOf(CLOSURE_1);
    const values = {
      ...content,
      substituters: [...content.substituters],
      minAgentLevel: 1,
      revision: 1n,
    };
    double.releases.set(1n, signedRelease({ ...values, ...leave }, [STRANGER]));
    const other = publicHalf({ name: "ci", seed: STRANGER });
    await run(double, { ...publicationOf(CLOSURE_1), otherKeys: [other] });
    expect(arrived(double)).toMatchObject([
      {
        revision: 2n,
        minAgentLevel: 1,
        nextChannel: "",
        allowKeyChange: false,
        allowAgentRemoval: false,
      },
    ]);
  },
);

it("warns of a signer whose key the channel does not have", async () => {
  const double = serverDouble();
  const host = recordingHost();
  double.afterPublish = () => {
    for (const { manifests } of double.releases.values())
      for (const manifest of manifests) manifest.keyIds = [];
  };
  await run(double, publicationOf(CLOSURE_1), { host });
  expect(host.err()).toContain("the channel does not have the key sign");
});

it("--require-verifiable names the devices that pin none of the signers' keys, before it signs", async () => {
  const double = serverDouble();
  const ours = keyId(publicHalf(KEY).publicKey);
  const theirs = keyId(publicHalf({ name: "", seed: STRANGER }).publicKey);
  const device = (id: string, more: Partial<Device>): Device =>
    create(DeviceSchema, { id, channel: "prod", ...more } as Device);
  double.devices = [
    device("able", { pinnedKeyIds: [theirs, ours] }),
    device("stale", { pinnedKeyIds: [theirs] }),
    device("silent", {}),
    device("elsewhere", { target: "front", pinnedKeyIds: [theirs] }),
    device("revoked", { standing: DeviceStanding.REVOKED, pinnedKeyIds: [theirs] }),
  ];
  const strict = publicationOf(CLOSURE_1, { requireVerifiable: true });
  await expect(run(double, strict)).rejects.toThrow(
    /^none of the keys that sign is pinned by 1 device: stale; /u,
  );
  expect(double.requests).toEqual([]);
  double.devices = double.devices.filter(({ id }) => id !== "stale");
  await run(double, strict);
  expect(double.requests).toHaveLength(1);
});
