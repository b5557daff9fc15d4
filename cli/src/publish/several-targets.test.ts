import { makeListing } from "@nix-ota/proto/listing";
import { expect, it } from "vitest";

import { serverDouble } from "../server-double.testkit.ts";
import { closurePath } from "../store-paths.testkit.ts";
import { CLOSURE_1, CLOSURE_2, partOf, releaseOf, run, arrived } from "./publication.testkit.ts";

const FRONT = { target: "front" };
const BACK = { target: "back" };

it("publishes several targets as one release, each with its listing", async () => {
  const double = serverDouble();
  await run(double, releaseOf([partOf(CLOSURE_1, FRONT), partOf(CLOSURE_2, BACK)]));
  expect(arrived(double)).toMatchObject([
    { target: "front", revision: 1n, storePath: CLOSURE_1[0]?.path },
    { target: "back", revision: 1n, storePath: CLOSURE_2[0]?.path },
  ]);
  expect(double.requests).toHaveLength(1);
  expect(double.requests[0]?.listings).toEqual([makeListing(CLOSURE_1), makeListing(CLOSURE_2)]);
});

it("leaves out the targets whose devices have the content, and says so", async () => {
  const double = serverDouble();
  await run(double, releaseOf([partOf(CLOSURE_1, FRONT), partOf(CLOSURE_1, BACK)]));
  const host = await run(double, releaseOf([partOf(CLOSURE_2, FRONT), partOf(CLOSURE_1, BACK)]));
  expect(arrived(double).slice(2)).toMatchObject([{ target: "front", revision: 2n }]);
  expect(host.err()).toContain("back (r1): devices there have this content and stay");
  // Later the content of the other target changes: it is compared with r1, its newest.
  const later = await run(double, releaseOf([partOf(CLOSURE_2, FRONT), partOf(CLOSURE_2, BACK)]), {
    json: true,
  });
  expect(JSON.parse(later.out())).toMatchObject({
    revision: 3,
    manifests: [{ target: "back", changes: { beforeRevision: 1 } }],
    unchanged: [{ target: "front", revision: 2 }],
  });
});

it("a listing that several targets share travels once", async () => {
  const double = serverDouble();
  await run(double, releaseOf([partOf(CLOSURE_1, FRONT), partOf(CLOSURE_1, BACK)]));
  expect(double.requests[0]?.listings).toEqual([makeListing(CLOSURE_1)]);
});

it("listings that would fill a request travel ahead of it", async () => {
  const double = serverDouble();
  const large = Array.from({ length: 20_000 }, (_, index) => closurePath(`package-${index}`));
  await run(double, releaseOf([partOf(large, FRONT), partOf(large, BACK)]));
  expect(double.requests[0]?.listings).toEqual([]);
  expect([...double.listings.values()]).toEqual([makeListing(large)]);
});

it("folds many targets to one line each and shows what is common once", async () => {
  const double = serverDouble();
  const targets = ["a", "b", "c", "d"];
  await run(double, releaseOf(targets.map((target) => partOf(CLOSURE_1, { target }))));
  const host = await run(
    double,
    releaseOf(targets.map((target) => partOf(CLOSURE_2, { target, message: "weekly" }))),
  );
  const lines = (target: string): string[] => [
    `  ${target}           r1  3.9 KiB   1.2 KiB  yes     ~2 +1 -0`,
    `    ${CLOSURE_2[0]?.path}`,
  ];
  expect(host.err()).toBe(
    [
      "prod r1 → r2, 4 targets",
      "  TARGET  BEFORE     SIZE  DOWNLOAD  REBOOT  PACKAGES",
      ...targets.flatMap(lines),
      "  system     x86_64-linux",
      "  contents   pinned by their hashes",
      "  caches     https://cache.test",
      "  message    weekly",
      "  signed by  sign (key id fe812c12f3ab4ce6ac5db69ac352f906)",
      "",
    ].join("\n"),
  );
});

it("does not fold away what differs from target to target", async () => {
  const double = serverDouble();
  const parts = ["a", "b", "c", "d"].map((target) =>
    partOf(CLOSURE_1, { target, substituters: [`https://${target}.cache.test`] }),
  );
  const host = await run(double, releaseOf(parts));
  for (const name of ["a", "b", "c", "d"])
    expect(host.err()).toMatch(new RegExp(`caches +https://${name}\\.cache\\.test`, "u"));
});
