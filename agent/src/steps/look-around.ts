import type { Step } from "./effect-result.ts";

/** Somebody repaired the device when what runs is again what boots, and is not what failed. */
export const lookAround: Step<"lookAround"> = async ({ ports }, { attempt }) => {
  const running = await ports.links.running();
  const profile = await ports.links.profile();
  const sane = running !== "" && running === profile.storePath && running !== attempt.storePath;
  return sane ? { on: "repaired" } : "rest";
};
