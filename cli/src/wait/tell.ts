import type { Release } from "@nix-ota/proto/nixota/v1/release_pb";
import { RolloutState, RolloutStateSchema } from "@nix-ota/proto/nixota/v1/rollout_pb";

import { durationText, revisionText } from "../amounts.ts";
import { enumText } from "../enum-text.ts";
import type { Host } from "../host.ts";
import type { Output } from "../output.ts";
import { safeText } from "../terminal-text.ts";
import type { Judgement } from "./judge.ts";
import { expectedCount, type Picture } from "./picture.ts";

/** Tells how a rollout goes: news once each, and on a terminal one line that moves. */
export interface Teller {
  tell(release: Release, picture: Picture, elapsedMs: number): void;
  end(judgement: Exclude<Judgement, { kind: "go-on" }>, release: Release, picture: Picture): void;
  reachable(): void;
  unreachable(problem: string): void;
  /** That names are not to be had. */
  nameless(): void;
}

/** With --json every line on stdout is one document with an `event`. */
export function createTeller(host: Host, output: Output): Teller {
  const told: { failures: Set<string>; state: RolloutState; counts: string } = {
    failures: new Set(),
    state: RolloutState.RUNNING,
    counts: "",
  };
  let away = false;
  let named = true;
  const tellFailures = ({ failures }: Picture): void => {
    for (const { deviceId, why } of failures) {
      const news = `${deviceId} ${why}`;
      if (told.failures.has(news)) continue;
      told.failures.add(news);
      output.event({ event: "failure", deviceId, why });
      output.note(`${output.paintNote("red", "failed")}  ${deviceId}: ${why}`);
    }
  };
  const tellState = ({ rollout }: Release): void => {
    const state = rollout?.state ?? RolloutState.UNSPECIFIED;
    if (state === told.state) return;
    told.state = state;
    const explanation = safeText(rollout?.explanation ?? "");
    const name = enumText(RolloutStateSchema, state);
    output.event({ event: "state", state: name, explanation });
    // Sentences of the server name their remedy behind a semicolon; one is enough.
    const silent = state === RolloutState.PAUSED && !explanation.includes("; ");
    const remedy = silent ? "; nix-ota rollout resume goes on" : "";
    output.note(`the rollout is ${name.replaceAll("_", " ")}: ${explanation}${remedy}`);
  };
  return {
    tell(release, picture, elapsedMs) {
      tellState(release);
      tellFailures(picture);
      const counts = countsText(picture);
      const line = `${revisionText(release.revision)} on ${safeText(release.channel)}: ${counts}`;
      if (counts !== told.counts) {
        told.counts = counts;
        output.event({ event: "progress", ...pictureDocument(picture) });
        if (!host.stderr.isTerminal) output.note(line);
      }
      output.progress(`${line}, ${durationText(elapsedMs)}`);
    },
    end({ kind, sentence }, release, picture) {
      const failures = picture.failures.map(({ deviceId, why }) => ({ deviceId, why }));
      output.result(
        {
          event: "end",
          outcome: kind,
          channel: release.channel,
          revision: Number(release.revision),
          sentence,
          ...pictureDocument(picture),
          failures,
        },
        () => (kind === "healthy" ? sentence : `${kind}: ${countsText(picture)}`),
      );
    },
    reachable() {
      if (away) output.note("the server answers again");
      away = false;
    },
    unreachable(problem) {
      if (!away) output.note(`${problem}; waiting on`);
      away = true;
    },
    nameless() {
      if (named) output.note("the token may not read devices: counts without names");
      named = false;
    },
  };
}

function countsText(picture: Picture): string {
  const { healthy, busy, failed, silent, outstanding, offline } = picture;
  return [
    `${healthy} of ${expectedCount(picture)} healthy`,
    ...(busy > 0 ? [`${busy} at work`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(silent > 0 ? [`${silent} silent`] : []),
    ...(outstanding > 0 ? [`${outstanding} outstanding`] : []),
    ...(offline > 0 ? [`${offline} offline`] : []),
  ].join(", ");
}

function pictureDocument(picture: Picture) {
  const { healthy, busy, failed, silent, outstanding, offline, leftOut } = picture;
  return {
    expected: expectedCount(picture),
    healthy,
    atWork: busy,
    failed,
    silent,
    outstanding,
    offline,
    leftOut,
  };
}
