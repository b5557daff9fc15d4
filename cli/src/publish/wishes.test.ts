import { expect, it } from "vitest";

import { NOW_MS } from "../recording-host.testkit.ts";
import { serverDouble } from "../server-double.testkit.ts";
import { arrived, CLOSURE_1, partOf, releaseOf, run } from "./publication.testkit.ts";
import { readContentWishes, type ContentOptions } from "./wishes.ts";

const GIVEN: ContentOptions = {
  channel: "prod",
  fleet: "",
  substituter: ["https://cache.test"],
  message: "",
  sourceRevision: "",
  nextChannel: "",
  allowAgentRemoval: false,
  allowKeyChange: false,
  trustCache: false,
};

it.each<[string, Partial<ContentOptions>]>([
  ["--next-channel", { nextChannel: "beta" }],
  ["--allow-agent-removal", { allowAgentRemoval: true }],
  ["--allow-key-change", { allowKeyChange: true }],
])("signs the leave that %s gives, shows it, and no other", async (_, given) => {
  const { leave } = readContentWishes({ ...GIVEN, ...given }, NOW_MS);
  const double = serverDouble();
  await run(double, releaseOf([partOf(CLOSURE_1)]));
  // The same system with more leave is another release: devices are to hear of it.
  const host = await run(double, releaseOf([partOf(CLOSURE_1, { leave })]));
  const nothing = { nextChannel: "", allowAgentRemoval: false, allowKeyChange: false };
  expect(arrived(double)).toMatchObject([nothing, { ...nothing, ...given, minAgentLevel: 1 }]);
  expect(host.err()).toMatch(/^ {2}leave +\S/mu);
});

it("refuses a next channel that is no name", () => {
  expect(() => readContentWishes({ ...GIVEN, nextChannel: "../x" }, NOW_MS)).toThrow(
    /--next-channel/u,
  );
});
