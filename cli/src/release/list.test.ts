import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { createRouterTransport } from "@connectrpc/connect";
import { PublishService } from "@nix-ota/proto/nixota/v1/publish_service_pb";
import { ReleaseSchema, type Release } from "@nix-ota/proto/nixota/v1/release_pb";
import { RolloutState } from "@nix-ota/proto/nixota/v1/rollout_pb";
import { expect, it } from "vitest";

import { serverOver } from "../client.ts";
import { createOutput } from "../output.ts";
import { NOW_MS, recordingHost } from "../recording-host.testkit.ts";
import { storePathOf } from "../store-paths.testkit.ts";
import { listReleases } from "./list.ts";

const RELEASES: Release[] = [
  create(ReleaseSchema, {
    channel: "prod",
    revision: 12n,
    publishedAt: timestampFromMs(NOW_MS - 600_000),
    manifests: [
      {
        storePath: storePathOf("nixos-system-fridge-24.05.3"),
        closureBytes: 1_500_000_000n,
        message: "new kernel\u001b[2J",
      },
    ],
    rollout: { state: RolloutState.RUNNING },
    outcomes: { applied: 3n, rolledBack: 1n, failed: 0n, inProgress: 1n, outstanding: 2n },
  }),
  create(ReleaseSchema, {
    channel: "prod",
    revision: 9n,
    publishedAt: timestampFromMs(NOW_MS - 86_400_000),
    manifests: [{ storePath: storePathOf("nixos-system-fridge-24.05.2"), closureBytes: 5n }],
    rollout: { state: RolloutState.SUPERSEDED },
    outcomes: { applied: 7n },
  }),
];

async function list(releases: readonly Release[], limit = 20, json = false) {
  const transport = createRouterTransport(({ service }) => {
    service(PublishService, {
      listReleases: ({ pageSize, cursor }) => {
        const from = Number(cursor || 0);
        const until = from + pageSize;
        const more = until < releases.length;
        return { releases: releases.slice(from, until), nextCursor: more ? `${until}` : "" };
      },
    });
  });
  const host = recordingHost();
  const output = createOutput(host, { json, quiet: false });
  await listReleases({ channel: "prod", limit }, serverOver(transport, "u"), host, output);
  return { out: host.out(), err: host.err() };
}

it("lists releases and how devices fared, within a terminal's width", async () => {
  const { out } = await list(RELEASES);
  expect(out).toBe(
    [
      "RELEASE  PUBLISHED   SYSTEM                                   SIZE  OK  BACK  FAILED  OPEN  ROLLOUT     MESSAGE",
      "    r12  10 min ago  kx7mijrl…nixos-system-fridge-24.05.3  1.4 GiB   3     1       0     3  running     new kernel[2J",
      "     r9  1 d ago     0hqbvvc0…nixos-system-fridge-24.05.2      5 B   7     0       0     0  superseded  –",
      "",
    ].join("\n"),
  );
});

it("shows targets only where there are some", async () => {
  const [first] = RELEASES;
  const [manifest] = first?.manifests ?? [];
  if (first === undefined || manifest === undefined) throw new Error("no sample");
  const targeted = create(ReleaseSchema, {
    ...first,
    manifests: [{ ...manifest, target: "front" }],
  });
  expect((await list([targeted])).out).toMatch(/TARGET[^\n]*\n[^\n]*  front  /u);
  const two = create(ReleaseSchema, {
    ...first,
    manifests: [manifest, { ...manifest, target: "front" }],
  });
  expect((await list([two])).out).toContain("2 targets");
});

it("lists no more than asked for and says so", async () => {
  const { out, err } = await list(RELEASES, 1, true);
  expect(JSON.parse(out)).toMatchObject({ truncated: true, releases: [{ revision: 12 }] });
  expect(err).toBe("only the latest 1 release; see more with --limit\n");
});

it("says how a channel without releases gets one", async () => {
  expect((await list([])).out).toBe("no releases on prod; nix-ota publish makes the first\n");
});
