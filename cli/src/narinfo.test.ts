import { expect, it } from "vitest";

import { parseNarinfo } from "./narinfo.ts";
import { closurePath, narinfoText } from "./store-paths.testkit.ts";

const PATH = closurePath("till-1.0", { narSize: 640, references: ["base-1.0", "till-1.0"] });

it("reads hash, sizes, references and whether it is signed", () => {
  const read = parseNarinfo(narinfoText(PATH, { fileSize: 99 }), PATH.path);
  expect(read).toEqual({ ok: true, info: { ...PATH, fileSize: 99, signed: true } });
});

it("takes a content address for a signature", () => {
  const text = `${narinfoText(PATH, { signed: false })}CA: fixed:r:sha256:0mdqa9w1\n`;
  expect(parseNarinfo(text, PATH.path)).toMatchObject({ info: { signed: true } });
});

it("says that a path without either is not signed", () => {
  const text = narinfoText(PATH, { signed: false });
  expect(parseNarinfo(text, PATH.path)).toMatchObject({ info: { signed: false } });
});

it("counts the NAR size as download where the cache does not say", () => {
  const text = narinfoText(PATH).replace(/FileSize: .*\n/u, "");
  expect(parseNarinfo(text, PATH.path)).toMatchObject({ info: { fileSize: 640 } });
});

it.each([
  ["another path", /StorePath: .*/u, "StorePath: /nix/store/x", "describes /nix/store/x"],
  ["no path", /StorePath: .*\n/u, "", "describes no path"],
  ["no hash", /NarHash: .*\n/u, "", "has no sha256 NarHash"],
  ["another kind of hash", /NarHash: sha256/u, "NarHash: md5", "has no sha256 NarHash"],
  ["no size", /NarSize: .*\n/u, "", "has no NarSize"],
  ["a size that is none", /NarSize: .*/u, "NarSize: -3", "has no NarSize"],
  [
    "a reference elsewhere",
    /References: /u,
    "References: ../../etc ",
    "refers to something that is no store path",
  ],
])("refuses %s", (_, found, replacement, problem) => {
  const text = narinfoText(PATH).replace(found, replacement);
  expect(parseNarinfo(text, PATH.path)).toEqual({ ok: false, problem });
});
