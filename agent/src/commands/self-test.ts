import { AGENT_LEVEL } from "@nix-ota/proto/agent-level";

import { AgentError } from "../agent-error.ts";
import type { Attempt } from "../attempt.ts";
import { refusalOfOwnRelease } from "../own-release.ts";
import type { Ports } from "../ports/ports.ts";
import { remedyFor } from "../refusal.ts";
import type { Findings, Fitness } from "../self-test.ts";
import { ATTEMPT_VARIABLE, DEVICE_VARIABLE, SELF_TEST_STATUS, unfitness } from "../self-test.ts";
import { storedKey } from "../state/device-key.ts";
import { storedTrust } from "../state/trust-file.ts";
import { AGENT_VERSION } from "../version.ts";
import type { Call, Command } from "./command.ts";

type Verdict = { readonly fitness: Fitness; readonly sentence: string };

/**
 * `self-test`: whether this agent, with this configuration, can serve this device. Changes nothing
 * and takes no lock: it runs beside the agent that asks for it. Prints one sentence.
 */
export const selfTest: Command = {
  async run(call) {
    const { fitness, sentence } = await judge(call);
    call.print(`${sentence}\n`);
    return SELF_TEST_STATUS[fitness];
  },
};

async function judge(call: Call): Promise<Verdict> {
  try {
    const found = await findings(call);
    const against = unfitness(found);
    if (against !== undefined) return { fitness: "unfit", sentence: against };
    // A device that was never started has nothing yet that the server could know it by.
    if (found.key === "absent")
      return fit("the device has no key yet, which its first start makes");
    return await introduced(call);
  } catch (cause) {
    if (!(cause instanceof AgentError)) throw cause;
    return { fitness: "unfit", sentence: cause.message };
  }
}

async function findings(call: Call): Promise<Findings> {
  const { config, ports, own } = call;
  const { stateDir, settings } = config;
  const journal = await ports.journal.read();
  const state = journal?.machine.state;
  const attempt = state !== undefined && "attempt" in state ? state.attempt : undefined;
  const expectedAttempt = own[ATTEMPT_VARIABLE];
  return {
    stateDir,
    nixVersion: (await ports.host.describe(AbortSignal.timeout(settings.selfTest.serverMs)))
      .nixVersion,
    journal: await readability(ports, stateDir, "journal", journal !== undefined),
    trust: await readability(
      ports,
      stateDir,
      "trust",
      (await storedTrust(ports.disk, stateDir)) !== undefined,
    ),
    key: (await storedKey(ports.disk, stateDir)) === undefined ? "absent" : "there",
    journalAttempt: attempt?.id,
    expectedAttempt,
    deviceId: config.deviceId,
    expectedDevice: own[DEVICE_VARIABLE],
    refusal:
      attempt !== undefined && attempt.id === expectedAttempt
        ? await refusalOf(call, attempt)
        : undefined,
  };
}

/** Asked by nobody but an update under way: at any other time keys may have changed since by hand. */
async function refusalOf(
  { config, ports }: Call,
  attempt: Pick<Attempt, "payloadSha256">,
): Promise<string | undefined> {
  const envelope = await ports.manifests.read(attempt.payloadSha256);
  // Once an attempt has ended its manifest may be tidied away, and nothing follows from that.
  if (envelope === undefined) return undefined;
  return refusalOfOwnRelease(envelope, {
    ...config,
    system: ports.host.system(),
    agentLevel: AGENT_LEVEL,
  });
}

async function readability(
  { disk }: Ports,
  stateDir: string,
  base: string,
  readable: boolean,
): Promise<Findings["journal"]> {
  if (readable) return "readable";
  const names = await disk.list(stateDir);
  return names.includes(`${base}.a`) || names.includes(`${base}.b`) ? "unreadable" : "absent";
}

async function introduced({ config, ports }: Call): Promise<Verdict> {
  const limit = AbortSignal.timeout(config.settings.selfTest.serverMs);
  try {
    const answer = await ports.server.introduce(limit);
    if (answer.got === "answer") return fit(`${config.server} knows the device`);
    if (answer.got === "silence") return unreachable(config.server, answer.message);
    const remedy = remedyFor(answer.reason, config.deviceId);
    if (remedy !== undefined)
      return { fitness: "refused", sentence: `${config.server} refuses the device: ${remedy}` };
    // Whoever is too busy, or does not know the device yet, was reached.
    return fit(`${config.server} answers (${answer.message})`);
  } catch (cause) {
    if (!limit.aborted) throw cause;
    return unreachable(config.server, "it did not answer in time");
  }
}

const fit = (why: string): Verdict => ({
  fitness: "fit",
  sentence: `nix-ota-agent ${AGENT_VERSION} can serve this device: ${why}`,
});

const unreachable = (server: string, why: string): Verdict => ({
  fitness: "unreachable",
  sentence: `${server} does not answer: ${why}; check server, serverCaFile and the network`,
});
