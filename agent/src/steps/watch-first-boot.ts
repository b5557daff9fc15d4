import { noteContact } from "../answered-lately.ts";
import { bootedNow } from "../booted-now.ts";
import { firstBootCourse, isGuarded } from "../first-boot.ts";
import { rebootHold } from "../reboot-hold.ts";
import { unreachable } from "../unreachable.ts";
import { rebootInto } from "./await-reboot.ts";
import type { Step } from "./effect-result.ts";

/**
 * A committed closure waits for the first boot of its kernel. That boot has to prove it, and where it
 * was tried and did not come about, the way back is taken.
 */
export const watchFirstBoot: Step<"watchFirstBoot"> = async (agent, { firstBoot }, signal) => {
  const { ports } = agent;
  const { attempt, plan, prev } = firstBoot;
  const course = firstBootCourse(firstBoot, await bootedNow(ports));
  // An attempt of its own: the one that committed the closure has ended.
  const again = { ...attempt, id: ports.chance.id() };
  switch (course) {
    case "waits": {
      await noteContact(agent);
      const hold = await rebootHold(agent, isGuarded(firstBoot));
      if (hold !== undefined) {
        await agent.notebook.setRebootHold(hold);
        return undefined;
      }
      await rebootInto(agent, attempt, signal);
      return "rest";
    }
    case "came":
      return { on: "firstBoot", attempt: again, plan, prev };
    case "fell back":
      return { on: "fellBack", attempt: again, plan, prev };
    case "third":
      return { on: "bootedThird" };
    case "not chosen":
      await agent.notebook.setRebootHold(undefined);
      return undefined;
    default:
      return unreachable(course);
  }
};
