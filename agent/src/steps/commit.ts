import { withCommitted } from "../trust.ts";
import type { Step } from "./effect-result.ts";
import { switchedByOthers } from "./switched-by-others.ts";

export const stillRuns: Step<"stillRuns"> = async ({ ports }, { storePaths }) => {
  const running = await ports.links.running();
  return storePaths.includes(running) ? undefined : switchedByOthers(running);
};

/** The root comes first: with the trust record written there is only forward. */
export const recordCommit: Step<"recordCommit"> = async ({ ports, notebook }, { attempt }) => {
  const { channel, revision, payloadSha256, storePath } = attempt;
  await ports.links.rootCommitted({ channel, revision, payloadSha256, storePath });
  await notebook.setTrust(
    withCommitted(notebook.trust, channel, {
      revision,
      payloadSha256,
      storePath,
      attempt: attempt.id,
    }),
  );
  return { on: "committed", bootId: await ports.clock.bootId() };
};
