import { expect, it } from "vitest";

import { parseNarinfo } from "./narinfo.ts";

const NAR = "ab".repeat(32);
const PATH = {
  path: `/nix/store/${"0".repeat(32)}-till-1.0`,
  narHash: `sha256:${NAR}`,
  narSize: 640,
  references: [`/nix/store/${"1".repeat(32)}-base-1.0`, `/nix/store/${"0".repeat(32)}-till-1.0`],
  url: `nar/${NAR}.nar.zst`,
};

const narinfoText = ({ fileSize = 320, signed = true } = {}) =>
  [
    `StorePath: ${PATH.path}`,
    `URL: ${PATH.url}`,
    "Compression: zstd",
    `FileHash: ${PATH.narHash}`,
    `FileSize: ${fileSize}`,
    `NarHash: ${PATH.narHash}`,
    `NarSize: ${PATH.narSize}`,
    `References: ${PATH.references.map((name) => name.slice("/nix/store/".length)).join(" ")}`,
    ...(signed ? ["Sig: cache-1:c2lnbmF0dXJl"] : []),
    "",
  ].join("\n");

it("reads hash, sizes, references and whether it is signed", () => {
  const read = parseNarinfo(narinfoText({ fileSize: 99 }), PATH.path);
  expect(read).toEqual({ ok: true, info: { ...PATH, fileSize: 99, signed: true } });
});

it("takes a content address for a signature", () => {
  const text = `${narinfoText({ signed: false })}CA: fixed:r:sha256:0mdqa9w1\n`;
  expect(parseNarinfo(text, PATH.path)).toMatchObject({ info: { signed: true } });
});

it("says that a path without either is not signed", () => {
  const text = narinfoText({ signed: false });
  expect(parseNarinfo(text, PATH.path)).toMatchObject({ info: { signed: false } });
});

it("counts the NAR size as download where the cache does not say", () => {
  const text = narinfoText().replace(/FileSize: .*\n/u, "");
  expect(parseNarinfo(text, PATH.path)).toMatchObject({ info: { fileSize: 640 } });
});

it.each([
  [
    "another path",
    /StorePath: .*/u,
    "StorePath: /nix/store/\u001b[2Jx",
    "describes no path of a store",
  ],
  ["no path", /StorePath: .*\n/u, "", "describes no path of a store"],
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
  const text = narinfoText().replace(found, replacement);
  expect(parseNarinfo(text, PATH.path)).toEqual({ ok: false, problem });
});
