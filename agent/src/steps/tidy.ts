import type { Step } from "./effect-result.ts";

/** Lets go of what ended attempts left. Repeated at each start, so a crash leaks nothing. */
export const tidy: Step<"tidy"> = async ({ ports, notebook }, _effect, signal) => {
  await ports.deadMan.drop(signal);
  await ports.links.unroot("staged");
  await ports.links.unroot("prev");
  await ports.links.unroot("prev-profile");
  await ports.links.unroot("stuck");
  await ports.links.unroot("return");
  if (notebook.journal.machine.firstBoot === undefined) {
    await ports.links.unroot("first-boot");
    await ports.links.unroot("fallback");
  }
  await ports.activation.forget(undefined);
  await ports.journal.keepRoom();
  const channels = Object.values(notebook.trust.channels);
  await ports.manifests.keep(
    channels.flatMap(({ floor, committed }) => [
      floor.payloadSha256,
      ...(committed === undefined ? [] : [committed.payloadSha256]),
    ]),
  );
  await ports.bundles.keep(async () => (await ports.requests.pending()).map(({ id }) => id));
  return "rest";
};
