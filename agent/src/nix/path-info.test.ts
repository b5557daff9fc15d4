import { expect, test } from "vitest";

import { parsePathInfo } from "./path-info.ts";

const HASH = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

test("reads the list of nix 2.8 and the object of nix 2.26 as the same closure", () => {
  const rows = [{ path: "/nix/store/a", narHash: HASH }];
  expect(parsePathInfo(JSON.stringify(rows))).toEqual(rows);
  expect(parsePathInfo(JSON.stringify({ "/nix/store/a": { narHash: HASH, narSize: 1 } }))).toEqual(
    rows,
  );
});

test.each(["", "{", '{"/nix/store/a":null}', '[{"path":"/nix/store/a"}]'])("refuses %j", (text) => {
  expect(() => parsePathInfo(text)).toThrow(/nix path-info/);
});
