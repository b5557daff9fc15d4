import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type DiffReleasesResponseSchema,
  PublishService,
  type DiffReleasesRequest,
} from "@nix-ota/proto/nixota/v1/publish_service_pb";
import { ReleaseSchema } from "@nix-ota/proto/nixota/v1/release_pb";
import { RolloutState } from "@nix-ota/proto/nixota/v1/rollout_pb";
import { expect, it } from "vitest";

import { httpDouble } from "../http-double.testkit.ts";
import { NOW_MS } from "../recording-host.testkit.ts";
import { storePathOf } from "../store-paths.testkit.ts";

const PATH = storePathOf("nixos-system-fridge-25.05");
const RELEASE = create(ReleaseSchema, {
  channel: "prod",
  revision: 42n,
  publishedAt: timestampFromMs(NOW_MS - 600_000),
  publishedBy: "ci",
  rollout: { state: RolloutState.RUNNING },
  outcomes: { applied: 3n, outstanding: 1n },
  manifests: [
    {
      storePath: PATH,
      system: "x86_64-linux",
      closureBytes: 1_500_000_000n,
      closureDigest: new Uint8Array(32),
      keyIds: [new Uint8Array(16).fill(1)],
      issuedAtS: 1_700_000_000n,
      message: "new kernel\u001b[2J",
      sourceRevision: "abc",
    },
    { target: "front", storePath: PATH, notAfterS: 9_007_199_254_740_991n },
  ],
});

async function serving(diff: MessageInitShape<typeof DiffReleasesResponseSchema> = {}) {
  const asked: DiffReleasesRequest[] = [];
  const server = await httpDouble(({ service }) => {
    service(PublishService, {
      getRelease: () => ({ release: RELEASE }),
      diffReleases: (request) => {
        asked.push(request);
        return diff;
      },
    });
  });
  return Object.assign(server, { asked });
}

it("shows a release with each of its systems, and how to prove what is shown", async () => {
  await using server = await serving();
  const { out, err } = await server.run("release", "show", "42", "--channel", "prod");
  expect(out).toBe(
    [
      "release    prod r42",
      `published  10 min ago by ci (${new Date(NOW_MS - 600_000).toISOString()})`,
      "rollout    running",
      "devices    3 applied, 1 outstanding",
      "",
      "target     devices without one",
      `path       ${PATH}`,
      "system     x86_64-linux",
      "closure    1.4 GiB",
      "contents   pinned by their hashes",
      "signed     2023-11-14T22:13:20.000Z",
      "signed by  key id 01010101010101010101010101010101",
      "message    new kernel[2J",
      "source     abc",
      "",
      "target    front",
      `path      ${PATH}`,
      "closure   0 B",
      "contents  not pinned",
      "expires   9007199254740991 s",
      "",
    ].join("\n"),
  );
  expect(err).toBe(
    "as the server says; nix-ota verify --channel prod --revision 42 --public-key <key> proves it\n",
  );
  const { out: json } = await server.run("release", "show", "--channel", "prod", "--json");
  expect(JSON.parse(json)).toMatchObject({
    channel: "prod",
    revision: 42,
    publishedBy: "ci",
    manifests: [{ target: "", issuedAtS: 1_700_000_000 }, { target: "front" }],
    outcomes: { applied: 3, silent: 0 },
  });
});

it("says which packages a release changes, from the versions of both closures", async () => {
  const changes = [
    { name: "curl", versionsBefore: ["8.1"], versionsAfter: ["8.2"], sizeDeltaBytes: 2048n },
    { name: "jq", versionsBefore: [], versionsAfter: [""], sizeDeltaBytes: 0n },
    { name: "vim\u202e", versionsBefore: ["9", "9.1"], versionsAfter: [], sizeDeltaBytes: -5n },
  ];
  await using server = await serving({
    changes,
    addedPaths: 5,
    removedPaths: 1,
    beforeRevision: 41n,
    afterRevision: 42n,
  });
  const { out } = await server.run("release", "diff", "41", "42", "--channel", "prod");
  expect(out).toBe(
    [
      "PACKAGE  BEFORE  AFTER             SIZE",
      "curl     8.1     8.2           +2.0 KiB",
      "jq       –       (no version)",
      "vim      9, 9.1  –                 −5 B",
      "",
      "r41 → r42: 3 packages changed, 5 paths added, 1 removed",
      "",
    ].join("\n"),
  );
  const { out: json } = await server.run("release", "diff", "--channel", "prod", "--json");
  expect(JSON.parse(json)).toMatchObject({
    packages: [{ name: "curl", before: ["8.1"], after: ["8.2"], sizeDeltaBytes: 2048 }, {}, {}],
    addedPaths: 5,
    removedPaths: 1,
    beforeRevision: 41,
    afterRevision: 42,
  });
  expect(
    server.asked.map(({ beforeRevision, afterRevision }) => [beforeRevision, afterRevision]),
  ).toEqual([
    [41n, 42n],
    [0n, 0n],
  ]);
});

it("says so when all packages have the same versions", async () => {
  await using server = await serving({
    addedPaths: 2,
    removedPaths: 2,
    beforeRevision: 3n,
    afterRevision: 4n,
  });
  expect((await server.run("release", "diff", "--channel", "prod")).out).toBe(
    "r3 → r4: the same versions of all packages; 2 paths added, 2 removed\n",
  );
  expect(await server.run("release", "diff", "4", "r4", "--channel", "prod")).toMatchObject({
    code: 2,
    err: "error: both revisions are the same; name two\n",
  });
});
