import { expect, it } from "vitest";

import { createOutput } from "./output.ts";
import { recordingHost } from "./recording-host.testkit.ts";

function outputOn(given: { terminal: boolean; columns?: number; quiet?: boolean; dumb?: boolean }) {
  let nowMs = 0;
  const host = {
    ...recordingHost({ ...given, env: given.dumb ? { TERM: "dumb" } : { NO_COLOR: "1" } }),
    now: () => nowMs,
  };
  const output = createOutput(host, { json: false, quiet: given.quiet ?? false });
  return { host, output, later: (ms: number) => (nowMs += ms) };
}

it("draws progress in one line of a terminal, which the next word takes the place of", () => {
  const { host, output, later } = outputOn({ terminal: true, columns: 10 });
  output.progress("1 of 2000 paths");
  later(50);
  output.progress("too soon");
  later(50);
  output.progress("2 of 2");
  output.note("done");
  output.result({}, () => "result");
  expect(host.err()).toBe("\r\u001b[2K1 of 2000\r\u001b[2K2 of 2\r\u001b[2Kdone\n");
});

it.each([{ terminal: false }, { terminal: true, quiet: true }, { terminal: true, dumb: true }])(
  "draws no progress on %j",
  (given) => {
    const { host, output } = outputOn(given);
    output.progress("1 of 2");
    output.warn("done");
    expect(host.err()).toBe("warning: done\n");
  },
);
