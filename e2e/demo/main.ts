/**
 * Three devices take a release, a second one, and undo a third that is broken; on real nix, with
 * the real server, agent and command line. `--once` ends after that, with exit code 0 only if every
 * device ended on the second release, has the third in quarantine, and the server says rolled_back.
 */
import { Narrator } from "./narrator.ts";
import { Stage } from "./stage.ts";
import { stay, untilTold } from "./stay.ts";
import { tellStory } from "./story.ts";

const once = process.argv.includes("--once");
const signal = untilTold();
const narrator = new Narrator();

narrator.chapter("A server, two binary caches, a builder and three devices start");
await using stage = await Stage.set(narrator);
const problems = await tellStory(stage, signal);
if (signal.aborted) {
  narrator.chapter("Told to end before the story was over.");
  process.exitCode = 130;
} else if (problems.length === 0) {
  narrator.chapter("Every device is on the second release, and the third is in quarantine.");
} else {
  narrator.chapter("The devices are not where they should be:");
  for (const problem of problems) narrator.plain(`  ${problem}`);
  process.exitCode = 1;
}
if (!once && !signal.aborted) await stay(stage, signal);
else if (once)
  narrator.plain(
    "\nnpm run demo (without --once) stays, with keys to publish more and to cut the power.",
  );
