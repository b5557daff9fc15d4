import { expect, it } from "vitest";

import { differences } from "./lock-difference.ts";

const lock = text({
  "": { version: "0.1.0" },
  proto: { version: "0.1.0" },
  "node_modules/a": { version: "1.0.0", integrity: "sha512-a" },
  "node_modules/b": { version: "1.0.0", integrity: "sha512-b", optional: true },
});

it("is empty for what the lock says, without the optional packages of other platforms", () => {
  const installed = text({ "node_modules/a": { version: "1.0.0", integrity: "sha512-a" } });
  expect(differences(lock, installed)).toEqual([]);
});

it("names a missing, a changed and a surplus package", () => {
  const installed = text({
    "node_modules/b": { version: "1.0.0", integrity: "sha512-other" },
    "proto/node_modules/c": { version: "2.0.0", integrity: "sha512-c" },
  });
  expect(differences(lock, installed)).toEqual([
    "node_modules/a",
    "node_modules/b",
    "proto/node_modules/c",
  ]);
});

function text(packages: object): string {
  return JSON.stringify({ packages });
}
