import type { Agent } from "../agent.ts";
import type { Attempt } from "../attempt.ts";
import { checkIn } from "../check-in.ts";
import type { Failure } from "../failure.ts";
import { ATTEMPT_VARIABLE, DEVICE_VARIABLE } from "../self-test.ts";

/**
 * Whether the closure's own agent could take over: the next update is its to make. Undefined: it
 * could, or the closure has none, which only signed leave lets come so far.
 */
export async function agentFailure(
  agent: Agent,
  attempt: Attempt,
  signal: AbortSignal,
): Promise<Failure | undefined> {
  const { links, otherAgents, log } = agent.ports;
  const { storePath } = attempt;
  const has =
    (await links.runnable(storePath, "sw/bin/nix-ota-agent")) &&
    (await links.startsUnit(storePath, "nix-ota-agent.service")) &&
    (await links.systemFile(storePath, "etc/nix-ota/agent.json")) !== undefined;
  if (!has) return undefined;

  const environment = {
    [ATTEMPT_VARIABLE]: attempt.id,
    [DEVICE_VARIABLE]: agent.config.deviceId,
  };
  const { fitness, detail } = await otherAgents.selfTest(storePath, environment, signal);
  switch (fitness) {
    case "fit":
      return undefined;
    case "unfit":
      return unfit(detail, "mend it, and publish a higher revision");
    case "unreachable":
    case "refused": {
      // An outage of the server must not roll back a fleet: only where this agent is answered at the
      // same moment is the closure to blame.
      const own = await checkIn(agent, signal, "a connection of its own");
      const blamed = fitness === "refused" ? own.got === "answer" : own.got !== "silence";
      if (blamed)
        return unfit(
          detail,
          "the agent that runs has no such trouble, so mend the configuration of the closure's and publish a higher revision",
        );
      log("warn", "the closure's agent could not be tried on the server", { detail });
      return undefined;
    }
  }
}

const unfit = (detail: string, remedy: string): Failure => ({
  code: "AGENT_UNFIT",
  message: `the closure's own agent could not serve this device: ${detail}; ${remedy}`,
});
