import { beforeEach, describe, expect, test } from "vitest";

import type { Agent } from "../agent.ts";
import { sampleAttempt as attempt } from "../attempt.testkit.ts";
import { testConfig } from "../config.testkit.ts";
import { noContact } from "../contact.ts";
import { notebookOver } from "../notebook.testkit.ts";
import type { Ports } from "../ports/ports.ts";
import { secure } from "./secure.ts";

const never = new AbortController().signal;
const RUNNING = "/nix/store/running";
const NAMED = "/nix/store/named";

let roots: string[];
beforeEach(() => {
  roots = [];
});

/** How a device is armed of whose paths nix says this: `true` unless another answer is given. */
async function armed(valid: Readonly<Record<string, false | undefined>>, ends?: AbortController) {
  const answer = async <T>(value: T) => await Promise.resolve(value);
  const ports = {
    clock: { monotonicMs: () => 0 },
    links: {
      running: async () => await answer(RUNNING),
      booted: async () => await answer(RUNNING),
      profile: async () => await answer({ number: 7, storePath: NAMED }),
      runnable: async () => await answer(true),
      root: async (name: string) => {
        await answer(roots.push(name));
      },
    },
    nix: {
      isValid: async (path: string) => {
        ends?.abort();
        return await answer(path in valid ? valid[path] : true);
      },
    },
    deadMan: { arm: async () => await answer(undefined) },
    health: { failedUnits: async () => await answer([]) },
  } as unknown as Ports;
  const notebook = await notebookOver();
  const agent: Agent = { ports, config: testConfig(), notebook, contact: noContact() };
  return await secure(agent, { do: "secure", attempt }, ends?.signal ?? never);
}

describe("what the profile names", () => {
  test("is the way back of the profile, and is rooted", async () => {
    expect(await armed({})).toMatchObject({ prev: { profile: NAMED, generation: 7 } });
    expect(roots).toEqual(["prev", "prev-profile"]);
  });

  test("is so as well where nix cannot tell whether it is whole", async () => {
    expect(await armed({ [NAMED]: undefined })).toMatchObject({
      prev: { profile: NAMED, generation: 7 },
    });
    expect(roots).toEqual(["prev", "prev-profile"]);
  });

  test("is no way back where it is gone", async () => {
    expect(await armed({ [NAMED]: false })).toMatchObject({
      prev: { running: RUNNING, profile: "", generation: 0 },
    });
    expect(roots).toEqual(["prev"]);
  });
});

describe.each([
  ["what runs", RUNNING, "NO_WAY_BACK"],
  ["the closure", attempt.storePath, "TOOL_FAILED"],
])("%s", (_what, path, code) => {
  test("that is not whole ends the attempt, and says how it comes to be whole", async () => {
    expect(await armed({ [path]: false })).toMatchObject({
      on: "unsecured",
      failure: { code, message: expect.stringMatching(/repair|fetched again/) as string },
    });
  });

  test("of which nix cannot tell is not called broken", async () => {
    expect(await armed({ [path]: undefined })).toMatchObject({
      on: "unsecured",
      failure: {
        code: "TOOL_FAILED",
        message: expect.stringMatching(/could not say whether .* space/) as string,
      },
    });
  });
});

test("an agent that is asked to end meanwhile draws nothing from what nix did not say", async () => {
  await expect(armed({ [RUNNING]: undefined }, new AbortController())).rejects.toThrow(/aborted/u);
});
