import { expect, it } from "vitest";

import { closureBytes, parsePathInfo } from "./closure.ts";

const TOP = "/nix/store/0c2hv4rwmf9mjxgnfhwgj5i5ifi6kqfx-nixos-system-till-25.05";
const BASE = "/nix/store/84dmrr2cdxw2bxm3mvzzjjyrm1m0sr3w-base-1.0";
/** sha256 of nothing in the spellings of nix. */
const EMPTY = {
  listing: "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  base32: "sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73",
  sri: "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
};

/** As nix 2.8 prints it: a list. */
const LIST = JSON.stringify([
  {
    path: BASE,
    narHash: EMPTY.base32,
    narSize: 112,
    references: [],
    registrationTime: 1763800000,
    ultimate: true,
    valid: true,
  },
  {
    path: TOP,
    deriver: "/nix/store/a2hv4rwmf9mjxgnfhwgj5i5ifi6kqfx0-nixos-system-till-25.05.drv",
    narHash: EMPTY.base32,
    narSize: 5392,
    references: [BASE],
    registrationTime: 1763800001,
    signatures: ["ci-1:c2ln"],
    valid: true,
  },
]);

/** As nix 2.26 prints it: a map from path to entry. */
const MAP = JSON.stringify({
  [BASE]: {
    ca: null,
    deriver: null,
    narHash: EMPTY.sri,
    narSize: 112,
    references: [],
    registrationTime: 1763800000,
    signatures: [],
    ultimate: true,
  },
  [TOP]: {
    ca: null,
    deriver: null,
    narHash: EMPTY.sri,
    narSize: 5392,
    references: [BASE],
    registrationTime: 1763800001,
    signatures: ["ci-1:c2ln"],
    ultimate: true,
  },
});

const CLOSURE = [
  { path: BASE, narHash: EMPTY.listing, narSize: 112, references: [] },
  { path: TOP, narHash: EMPTY.listing, narSize: 5392, references: [BASE] },
];

it("reads the list that nix up to 2.18 prints", () => {
  expect(parsePathInfo(LIST)).toEqual(CLOSURE);
});

it("reads the map that nix from 2.19 on prints as the same closure", () => {
  expect(parsePathInfo(MAP)).toEqual(CLOSURE);
});

it("leaves out what the store does not have, in both spellings of absence", () => {
  expect(parsePathInfo(JSON.stringify([{ path: TOP, valid: false }]))).toEqual([]);
  expect(parsePathInfo(JSON.stringify({ [TOP]: null }))).toEqual([]);
});

it("sums NAR sizes", () => {
  expect(closureBytes(CLOSURE)).toBe(5504n);
});

it.each([
  ["no JSON", "error: something"],
  ["neither shape", '"text"'],
  ["an entry without path", '[{"narSize":1}]'],
  ["a path elsewhere", JSON.stringify({ "/etc/passwd": { narHash: EMPTY.sri, narSize: 1 } })],
  ["another hash", JSON.stringify({ [TOP]: { narHash: "md5:0123", narSize: 1, references: [] } })],
  [
    "a negative size",
    JSON.stringify({ [TOP]: { narHash: EMPTY.sri, narSize: -1, references: [] } }),
  ],
  ["no references", JSON.stringify({ [TOP]: { narHash: EMPTY.sri, narSize: 1 } })],
])("refuses %s", (_, json) => {
  expect(() => parsePathInfo(json)).toThrow(expect.objectContaining({ kind: "store" }));
});
