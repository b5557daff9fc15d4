import { AgentError } from "../agent-error.ts";
import { takeLock } from "../agent-lock.ts";
import type { Reply, Request, Wish } from "../request.ts";
import { STATUS } from "../request.ts";
import { runAgent } from "../run-agent.ts";
import { why } from "../why.ts";
import type { Call } from "./command.ts";
import { stopSignal } from "./under-lock.ts";

/** How often the agent that runs is nudged, and seen to run still, milliseconds. */
const LOOK_MS = 250;

/**
 * Has a wish met: by this process where no agent runs, else by the one that does. The wish is durable
 * before either, so that whoever comes next meets it when this process dies on the way.
 *
 * @returns the exit status, after its sentence was printed.
 */
export async function ask(call: Call, id: string, wish: Wish): Promise<number> {
  const { config, ports } = call;
  const request: Request = { id, wish };
  const signal = stopSignal();
  await ports.disk.makeDirectory(config.stateDir);
  await ports.requests.put(request);
  return await answerTo(call, request, "ended", signal);
}

/**
 * The same for a request that is durable already.
 *
 * @param until `begun`: where another process is the agent, only that it has taken the wish up.
 */
export async function answerTo(
  call: Call,
  request: Request,
  until: "begun" | "ended",
  signal: AbortSignal,
): Promise<number> {
  const { config, ports, print } = call;
  const reply = await replyTo(call, request, until, signal);
  if (reply === undefined) {
    // Neither met nor refused: it stands, and the sentence says what it waits for.
    const told = { journal: await ports.journal.read(), server: await ports.serverNotes.read() };
    print(`the wish stands: ${why({ deviceId: config.deviceId, ...told })}\n`);
    return STATUS.waits;
  }
  if (reply === "begun") {
    print(
      `${why({ deviceId: config.deviceId, journal: await ports.journal.read(), server: await ports.serverNotes.read() })}\n`,
    );
    return STATUS.done;
  }
  await ports.requests.forget(request.id);
  print(`${reply.sentence}\n`);
  return reply.status;
}

async function replyTo(
  call: Call,
  { id }: Request,
  until: "begun" | "ended",
  signal: AbortSignal,
): Promise<Reply | "begun" | undefined> {
  const { ports } = call;
  while (!signal.aborted) {
    const release = tryLock(call);
    if (release !== undefined) {
      try {
        await runAgent(ports, call.config, "answer", signal);
      } catch (cause) {
        if (!signal.aborted) throw cause;
      } finally {
        release();
      }
      return await ports.requests.reply(id);
    }
    const reply = await ports.requests.reply(id);
    if (reply !== undefined) return reply;
    const state = (await ports.journal.read())?.machine.state;
    if (until === "begun" && state !== undefined && "attempt" in state && state.attempt.id === id)
      return "begun";
    await ports.requests.nudge(id);
    await ports.clock.sleep(LOOK_MS, signal).catch(() => undefined);
  }
  return await ports.requests.reply(id);
}

/** Undefined: another process is the agent. */
function tryLock({ config, environment }: Call): (() => void) | undefined {
  try {
    return takeLock(`${config.stateDir}/lock`, 0, environment);
  } catch (cause) {
    if (cause instanceof AgentError && cause.kind === "busy") return undefined;
    throw cause;
  }
}
