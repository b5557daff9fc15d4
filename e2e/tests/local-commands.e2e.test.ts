import { randomUUID } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";

import { Outcome } from "@nix-ota/proto/nixota/v1/device_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { eventually } from "../src/eventually.ts";
import type { FleetDevice } from "../src/fleet-device.ts";
import { Fleet } from "../src/fleet.ts";

/** Root at the device, with and without an agent that runs. */

let fleet: Fleet;
let first: string;
let second: string;
let devices = 0;

beforeAll(async () => {
  fleet = await Fleet.open();
  first = await fleet.build({ gen: 1 });
  second = await fleet.build({ gen: 2 });
  await fleet.publish(first);
  await fleet.publish(second);
});

afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
});

/** The agent asks so seldom that whatever it does in a test it was woken for. */
const SELDOM = { pollInterval: 600, settings: { poll: { minMs: 50, maxMs: 3_600_000 } } };

/** A device that came from the factory with the first release and took the second. */
async function updated(config = {}): Promise<FleetDevice> {
  devices += 1;
  const fridge = await fleet.device(`fridge-${devices}`, first, config);
  const { stderr } = await fridge.once();
  expect(await fridge.resting(), stderr).toEqual([second, second, second]);
  return fridge;
}

/** How its attempts ended, as the server keeps it. */
async function ends({ name }: FleetDevice): Promise<string[]> {
  return (await fleet.operator.events(name)).flatMap(({ attempt }) =>
    attempt === undefined || attempt.outcome === Outcome.UNSPECIFIED
      ? []
      : [`r${attempt.revision} ${outcomeName(attempt.outcome)}`],
  );
}

describe("nix-ota-agent rollback", () => {
  test("leaves what is committed, once and for all, where no agent runs", async () => {
    const fridge = await updated();
    const { code, stdout, stderr } = await fridge.command("rollback");
    expect({ code, stdout }, stderr).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("went back from r2"),
    });
    expect(await fridge.resting()).toEqual([first, first, first]);
    await fridge.once();
    expect(await fridge.resting()).toEqual([first, first, first]);
    expect(await ends(fridge)).toEqual(["r2 APPLIED", "r2 ROLLED_BACK"]);
    const known = await fleet.operator.device(fridge.name);
    expect(known).toMatchObject({ quarantinedRevisions: [2n], committedRevision: 0n });
    expect(await fridge.command("rollback")).toMatchObject({ code: 3 });
    expect(
      (await fridge.device.gcRoots()).filter(({ link }) => /nix-ota\/(prev|staged)/.test(link)),
    ).toEqual([]);
  });

  test("and has it done at once by an agent that runs", async () => {
    const fridge = await updated(SELDOM);
    const agent = await fridge.startAgent();
    await eventually(
      "what was asked for",
      async () =>
        agent.stderr().includes("asked") || agent.stdout().includes("asked") ? true : undefined,
      { timeoutMs: 30_000 },
    );
    const { code, stderr } = await fridge.command("rollback");
    expect(code, stderr).toBe(0);
    expect(await fridge.resting()).toEqual([first, first, first]);
    expect(agent.exit).toBeUndefined();
    await eventually(
      "what was asked for",
      async () => ((await ends(fridge)).length === 2 ? true : undefined),
      { timeoutMs: 20_000 },
    );
    expect(await ends(fridge)).toEqual(["r2 APPLIED", "r2 ROLLED_BACK"]);
    // What was left by hand is let in by hand.
    expect(await fridge.command("retry")).toMatchObject({ code: 0 });
    expect(await fridge.resting()).toEqual([second, second, second]);
    await fridge.stopAgent();
  });

  test.each(["entered", "leaving"] as const)(
    "is finished by whoever comes next when it dies on the way (%s), and told once",
    async (at) => {
      const fridge = await updated();
      const id = randomUUID();
      const wish = { to: "rollback", payloadSha256: await committedPayload(fridge), generation: 0 };
      await mkdir(fridge.device.hostPath("state/requests"), { recursive: true });
      await writeFile(
        fridge.device.hostPath(`state/requests/${id}.ask`),
        JSON.stringify({ id, wish }),
      );
      const { signal, code } = await fridge.crash("rollingBack", at);
      expect(signal ?? code).toSatisfy((end: unknown) => end === "SIGKILL" || end === 137);
      await fridge.once();
      expect(await fridge.resting()).toEqual([first, first, first]);
      expect(await ends(fridge)).toEqual(["r2 APPLIED", "r2 ROLLED_BACK"]);
      const replies = await fridge.device.run(["ls", `${fridge.device.stateDir}/requests`]);
      expect(replies).toBe(`${id}.told`);
    },
  );

  test("names the generations that there are, and says what is under way", async () => {
    const fridge = await updated();
    const { code, stdout } = await fridge.command("rollback", "--generation", "77");
    expect({ code, stdout }).toEqual({
      code: 3,
      stdout:
        "the device cannot go back to generation 77; it has 1, one of which --generation can name\n",
    });
    expect(await fridge.command("rollback", "--generation", "x")).toMatchObject({ code: 2 });
    expect(await fridge.resting()).toEqual([second, second, second]);
  });
});

describe("a release that fails", () => {
  let fridge: FleetDevice;

  beforeAll(async () => {
    fridge = await updated();
    await fleet.publish(await fleet.build({ gen: 3, mode: "fail-health" }));
    expect((await fridge.once()).code).toBe(4);
  });

  test("is explained in the same words on the device and on the server", async () => {
    // The report after the end carries the quarantine, which the server's next answer knows of.
    await fridge.once();
    const here = await fridge.command("why");
    const there = await fleet.cli(
      "device",
      "why",
      fridge.name,
      "--server",
      fleet.server.url,
      "--token-file",
      fleet.tokenFile,
    );
    expect({ code: here.code, sentence: here.stdout }).toEqual({ code: 0, sentence: there.stdout });
    expect(here.stdout).toMatch(
      /r3 of prod failed on the device.*rolled_back at r3: the health command .*; /,
    );
    expect(await fridge.status()).toMatchObject({ why: here.stdout.trim() });
  });

  test("is tried once more by hand, and only once", async () => {
    const again = await fridge.command("retry", "r3");
    expect(again, again.stderr).toMatchObject({
      code: 4,
      stdout: expect.stringContaining("r3 ended as rolled_back: "),
    });
    expect(await fridge.resting()).toEqual([second, second, second]);
    expect(await ends(fridge)).toEqual(["r2 APPLIED", "r3 ROLLED_BACK", "r3 ROLLED_BACK"]);
    expect(await fridge.command("retry")).toMatchObject({
      code: 3,
      stdout: expect.stringContaining("publish a higher revision"),
    });
    expect(await fridge.command("retry", "2")).toMatchObject({ code: 3 });
  });
});

test("while an attempt runs a rollback says so and changes nothing", async () => {
  const fridge = await fleet.device("busy", second, {
    settings: { activation: { limitMs: 90_000 } },
  });
  const slow = await fleet.build({ gen: 4, mode: "slow", seconds: 20 });
  await fleet.publish(slow);
  const agent = await fridge.startAgent();
  await eventually(
    "what was asked for",
    async () => ((await fridge.command("why")).stdout.includes("is activating") ? true : undefined),
    { timeoutMs: 90_000 },
  );
  const { code, stdout } = await fridge.command("rollback");
  expect(code).toBe(5);
  expect(stdout).toMatch(
    /^busy is offered r\d+ of prod and is activating: the closure takes over the running system; ask again when that has ended\n$/,
  );
  await eventually(
    "what was asked for",
    async () => ((await fridge.resting()).every((link) => link === slow) ? true : undefined),
    { timeoutMs: 90_000 },
  );
  expect(agent.exit).toBeUndefined();
});

async function committedPayload({ device }: FleetDevice): Promise<string> {
  const slots = await Promise.all(
    ["a", "b"].map(async (slot) => {
      const text = await readFile(device.hostPath(`state/trust.${slot}`), "utf8").catch(() => "{}");
      return JSON.parse(text) as { readonly sequence?: number; readonly body?: string };
    }),
  );
  const newest = slots.toSorted((a, b) => (b.sequence ?? 0) - (a.sequence ?? 0))[0];
  const trust = JSON.parse(newest?.body ?? "{}") as {
    readonly channels: Record<string, { readonly committed: { readonly payloadSha256: string } }>;
  };
  return trust.channels["prod"]?.committed.payloadSha256 ?? "";
}

const outcomeName = (outcome: Outcome): string =>
  Object.entries(Outcome).find(([, number]) => number === outcome)?.[0] ?? "";
