import { expect, test } from "vitest";

import { type LogLine, logLines, questionsAtRest } from "./log-lines.ts";

const line = (message: string, more: Partial<LogLine> = {}): LogLine => ({
  level: "info",
  message,
  ...more,
});
const committed = line("asked", { found: "hold", reason: "the offer is committed" });

test("lines of the log are told from what node prints when it crashes", () => {
  const text = `{"level":"info","message":"asked"}\nnode:internal/x\n{ cut`;
  expect(logLines(text)).toEqual([line("asked")]);
});

test("a device rests by its questions since it moved last", () => {
  const moves = [line("a manifest is verified", { by: "accepted" }), line("", { by: "unfit" })];
  const lines = [committed, ...moves, committed, committed];
  expect(questionsAtRest(lines)).toBe(2);
});

test("a question that nobody answers, or that ends in a wait, is no rest", () => {
  const lines = [
    line("asked", { found: "nothing said" }),
    line("asked", { found: "hold", reason: "revision 1 is tried again later" }),
  ];
  expect(questionsAtRest(lines)).toBe(0);
});
