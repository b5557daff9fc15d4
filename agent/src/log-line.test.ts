import { expect, test } from "vitest";

import { journalLine, jsonLine } from "./log-line.ts";

const facts = {
  by: "unproven",
  revision: 7,
  message: "the health command failed:\n  down",
  rebootRequired: false,
  storePath: "/nix/store/x",
  outcome: "",
  paths: ["/nix/store/a"],
};

test("people read the message, its sentence and what is worth telling, on one line of its priority", () => {
  expect(journalLine("warn", "probation → rollingBack", facts)).toBe(
    '<4>probation → rollingBack: the health command failed: / down [by=unproven, revision=7, paths=["/nix/store/a"]]\n',
  );
  expect(journalLine("info", "asked", {})).toBe("<6>asked\n");
  expect(journalLine("info", "asked", { found: "hold", reason: "paused" })).toBe(
    "<6>asked: paused [found=hold]\n",
  );
});

test("programs read an object with all of it", () => {
  const line = jsonLine("2026-01-01T00:00:00.000Z", "error", "stuck", facts);
  expect(JSON.parse(line)).toEqual({
    at: "2026-01-01T00:00:00.000Z",
    level: "error",
    ...facts,
  });
});
