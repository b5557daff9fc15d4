import { withCommitted } from "../trust.ts";
import type { Step } from "./effect-result.ts";
import { runSwitch } from "./run-switch.ts";
import { switchedByOthers } from "./switched-by-others.ts";

export const stillRuns: Step<"stillRuns"> = async ({ ports }, { storePaths }) => {
  const running = await ports.links.running();
  return storePaths.includes(running) ? undefined : switchedByOthers(running);
};

export const bootDefault: Step<"bootDefault"> = async (agent, { attempt, storePath }, signal) => {
  const result = await runSwitch(
    agent,
    `${attempt.id}-loader`,
    { storePath, action: "boot" },
    signal,
  );
  if (result.ended === "exited" && result.code === 0) return undefined;
  const how = result.ended === "exited" ? `status ${result.code} (${result.tail})` : result.ended;
  return {
    on: "uncommitted",
    failure: {
      code: "COMMIT_FAILED",
      message: `the boot loader could not be written: ${how}; check the space on /boot`,
    },
  };
};

/** The root comes first: with the trust record written there is only forward. */
export const recordCommit: Step<"recordCommit"> = async ({ ports, notebook }, { attempt }) => {
  const { channel, revision, payloadSha256, storePath } = attempt;
  await ports.links.rootCommitted({ channel, revision, payloadSha256, storePath });
  await notebook.setTrust(
    withCommitted(notebook.trust, channel, { revision, payloadSha256, storePath }),
  );
  return { on: "committed" };
};
