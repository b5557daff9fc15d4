import { expect, test } from "vitest";

import { progressReader } from "./progress.ts";

const NAR = "http://cache.example.org/nar/0a6j.nar.zst";
const line = (event: unknown) => `@nix ${JSON.stringify(event)}`;

/** As nix 2.8 logs a copy of two paths, cut down. */
const OLD = [
  { action: "start", id: 1, level: 3, text: "copying 2 paths", type: 103 },
  {
    action: "start",
    id: 2,
    level: 3,
    text: "copying path …",
    type: 100,
    fields: ["/nix/store/a", "http://c", "local"],
  },
  {
    action: "start",
    id: 3,
    level: 4,
    text: "downloading …",
    type: 101,
    fields: ["http://cache.example.org/a.narinfo"],
  },
  { action: "result", id: 3, type: 105, fields: [600, 600, 0, 0] },
  { action: "stop", id: 3 },
  { action: "start", id: 4, level: 4, text: "downloading …", type: 101, fields: [NAR] },
  { action: "result", id: 4, type: 105, fields: [0, 0, 0, 0] },
  { action: "result", id: 4, type: 105, fields: [1000, 4000, 0, 0] },
  { action: "result", id: 4, type: 105, fields: [4000, 4000, 0, 0] },
  { action: "stop", id: 4 },
  { action: "stop", id: 2 },
];

/** As nix 2.26 logs one: totals and NAR bytes on the copies as well. */
const NEW = [
  ...OLD.slice(0, 2),
  { action: "result", id: 1, type: 106, fields: [100, 9000] },
  { action: "result", id: 1, type: 105, fields: [0, 2, 1, 0] },
  { action: "result", id: 2, type: 105, fields: [9000, 9000, 0, 0] },
  ...OLD.slice(5),
];

test.each([
  ["2.8", OLD],
  ["2.26", NEW],
])("counts paths and compressed bytes in the log of nix %s", (_version, events) => {
  const reader = progressReader(0, 0);
  for (const event of events) reader.read(line(event));
  expect(reader.progress).toEqual({ pathsDone: 1, pathsTotal: 2, bytesDone: 4000, bytesTotal: 0 });
});

test("counts a download under way, and every sign of life", () => {
  const reader = progressReader(0, 0);
  for (const event of OLD.slice(0, 8)) reader.read(line(event));
  const before = reader.activity;
  expect(reader.progress.bytesDone).toBe(1000);
  reader.read(line(OLD[7]));
  expect(reader.activity).toBe(before);
  reader.read(line(OLD[8]));
  expect(reader.activity).toBe(before + 1);
});

test("keeps errors without colours, and is not confused by lines that are no events", () => {
  const reader = progressReader(0, 0);
  reader.read(line({ action: "msg", level: 1, msg: "warning: retrying" }));
  reader.read(
    line({
      action: "msg",
      level: 0,
      raw_msg: "cannot add path '\u001b[35;1m/nix/store/a\u001b[0m'",
      msg: "…",
    }),
  );
  reader.read("@nix {cut off");
  reader.read("error: build of '/nix/store/a' failed");
  reader.read("whatever else");
  expect(reader.errors).toEqual([
    "cannot add path '/nix/store/a'",
    "error: build of '/nix/store/a' failed",
  ]);
});
