import { expect, test } from "vitest";

import { ofBundle } from "./bundle-failure.ts";
import { step, initialMachine } from "./machine.ts";
import type { Machine } from "./machine.ts";

test.each(["UNTRUSTED_PATH", "CORRUPT_CACHE", "NOT_IN_CACHE"] as const)(
  "%s names what helps where the bundle was made, in place of what helps with a cache",
  (code) => {
    const { message } = ofBundle({ code, message: "hash mismatch; upload the path again" });
    expect(message).toMatch(/^hash mismatch; .*`nix-ota bundle/);
  },
);

test("what has nothing to do with the bundle stays as it is", () => {
  const failure = { code: "NO_SPACE", message: "disk full; free space on /nix" } as const;
  expect(ofBundle(failure)).toEqual(failure);
});

test.each([
  [true, "idle"],
  [undefined, "fetching"],
] as const)("a copy that failed is tried again, but from no bundle (%s: %s)", (bundled, then) => {
  const attempt = {
    id: "a",
    channel: "prod",
    revision: 2,
    payloadSha256: "p",
    storePath: "/nix/store/x",
    ...(bundled === undefined ? {} : { bundled }),
  };
  const failure = { code: "NOT_IN_CACHE", message: "it is not there" } as const;
  const after = [
    { on: "accepted", attempt } as const,
    { on: "fit" } as const,
    { on: "fetchFailed", failure } as const,
  ].reduce<Machine>((machine, event) => step(machine, event)?.machine ?? machine, initialMachine);
  expect(after.state.name).toBe(then);
});
