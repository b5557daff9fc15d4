import { afterEnding, climbed, firstLadder } from "../ladder.ts";
import type { Ending, LadderSettings, Rung } from "../ladder.ts";
import type { Chance, Clock } from "../ports/clock.ts";
import type { Answer, Server } from "../ports/server.ts";
import type { Log } from "../ports/supervision.ts";
import { readAnswer } from "./answer.ts";
import { directiveWatch } from "./directive-watch.ts";
import type { End, Held, HearingSettings } from "./hear.ts";
import type { ReportStream } from "./report-stream.ts";
import { reportStream } from "./report-stream.ts";
import type { SessionKeeper } from "./session.ts";
import type { Transports } from "./transports.ts";
import { wake } from "./wake.ts";
import type { WakeSettings } from "./wake.ts";

export interface LinkSettings extends LadderSettings, HearingSettings, WakeSettings {
  readonly callMs: number;
}

/** What the link stands on. */
export interface LinkParts {
  readonly deviceId: string;
  readonly transport: "auto" | Rung;
  /** Reports by a call. */
  readonly call: Server["checkIn"];
  readonly session: SessionKeeper;
  readonly transports: Transports;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly log: Log;
  readonly settings: LinkSettings;
}

type CheckIn = Server["checkIn"];
type Reported = Awaited<ReturnType<CheckIn>>;

/** Reports over the best rung that the path carries, and hears what the server says by itself. */
export type Link = Pick<Server, "checkIn" | "pushed" | "rung">;

/**
 * Connections are opened by reports alone: an end rings, the agent reports, and the report opens the
 * next connection. A report that a held connection does not carry goes by a call, and so does the
 * judgement whether the path or the server is at fault.
 *
 * @param closing lets go of everything.
 */
export function link(parts: LinkParts, closing: AbortSignal): Link {
  const { clock, settings, log, session } = parts;
  const bell = wake(clock, parts.chance, settings, closing);
  let ladder = firstLadder(parts.transport);
  let held: Held | undefined;
  let stream: ReportStream | undefined;
  /** Whether a report is under way over a stream, whose caller then judges an end without a word. */
  let reporting = false;
  let openAtMs = 0;
  /** When the last timer for an opening rings. */
  let ringsAtMs = 0;
  closing.addEventListener("abort", () => letGo(), { once: true });

  function letGo() {
    const one = held;
    held = stream = undefined;
    one?.close();
  }

  function hold(one: Held) {
    held = one;
    void one.ended.then((end) => {
      // What was let go of has no say.
      if (held !== one) return;
      letGo();
      if (end.livedMs === 0 && reporting) return;
      judge(end, end.ending);
    });
  }

  function judge(end: End, ending: Ending) {
    const { rung } = ladder;
    const nowMs = clock.monotonicMs();
    const fraction = parts.chance.fraction();
    const next = afterEnding(ladder, { ending, livedMs: end.livedMs }, nowMs, fraction, settings);
    ladder = next.ladder;
    const waitMs = Math.max(next.waitMs, end.retryAfterMs);
    openAtMs = nowMs + waitMs;
    log("info", `${rung} ended: ${ending}`, {
      why: end.why,
      livedMs: Math.round(end.livedMs),
      ...(ladder.rung === rung ? { againInMs: Math.round(waitMs) } : { goesOnBy: ladder.rung }),
    });
    // Where the server refuses or is away, it is the agent that knows when to ask again.
    if (ending !== "refused" && ending !== "unreachable") ringWhenOpen();
  }

  /** A report opens the next connection. */
  function ringWhenOpen() {
    if (ladder.rung === "poll" || ringsAtMs === openAtMs) return;
    const atMs = (ringsAtMs = openAtMs);
    clock.sleep(Math.max(0, openAtMs - clock.monotonicMs()), closing).then(
      () => {
        if (ringsAtMs === atMs && held === undefined) bell.ring();
      },
      () => undefined,
    );
  }

  function climb() {
    const higher = climbed(ladder, clock.monotonicMs());
    if (higher === ladder) return;
    log("info", `trying ${higher.rung} again`);
    ladder = higher;
    letGo();
    openAtMs = 0;
  }

  const mayOpen = () => held === undefined && clock.monotonicMs() >= openAtMs && !closing.aborted;

  /** The answer, or how the stream ended before it. */
  async function overStream(
    report: Parameters<CheckIn>[0],
    signal: AbortSignal,
  ): Promise<Reported | End> {
    const opened = await readAnswer(async () => await session.token(signal), signal);
    if (opened.got !== "answer") return opened;
    const sequence = await session.nextSequence(signal);
    const one = stream ?? openStream(opened.value);
    reporting = true;
    try {
      const got = await one.exchange({ ...report, sequence }, signal);
      return "ending" in got ? got : { got: "answer", value: got };
    } finally {
      reporting = false;
    }
  }

  function openStream(token: string): ReportStream {
    const connection = parts.transports.http2();
    stream = reportStream(connection, token, bell.pushed, settings, clock);
    hold(stream);
    return stream;
  }

  async function openWatch(signal: AbortSignal) {
    const token = await session.token(signal);
    const connection = parts.transports.http1();
    hold(directiveWatch(connection, parts.deviceId, token, bell.pushed, settings, clock));
  }

  async function report(...[said, over, signal]: Parameters<CheckIn>): Promise<Reported> {
    if (over === "a connection of its own") return await parts.call(said, over, signal);
    climb();
    let end: End | undefined;
    if (ladder.rung === "stream" && (stream !== undefined || mayOpen())) {
      const got = await overStream(said, signal);
      if ("got" in got) return got;
      // A refusal of the report itself: a call would be refused as well.
      if (got.ending === "refused") {
        if (got.livedMs === 0) judge(got, "refused");
        return await readAnswer(async () => await Promise.reject(got.cause as Error), signal);
      }
      end = got;
    }
    const answer = await parts.call(said, over, signal);
    if (end?.livedMs === 0) judge(end, isFromServer(answer) ? end.ending : "unreachable");
    if (answer.got !== "answer" || held !== undefined) return answer;
    if (ladder.rung === "watch" && mayOpen()) await openWatch(signal);
    else ringWhenOpen();
    return answer;
  }

  return {
    async checkIn(...call) {
      bell.asks();
      const answer = await report(...call);
      if (answer.got === "answer") bell.answered(answer.value);
      return answer;
    },
    pushed: async (signal) => await bell.rung(signal),
    rung: () => (held === undefined ? "poll" : ladder.rung),
  };
}

/** Whether it was the server that spoke: a refusal without a reason is a proxy's. */
function isFromServer(answer: Answer<unknown>): boolean {
  return answer.got === "answer" || (answer.got === "refusal" && answer.reason !== undefined);
}
