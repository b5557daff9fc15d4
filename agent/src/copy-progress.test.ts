import { expect, test } from "vitest";

import { nothingMoved, onTopOf, toBeMoved, withMissing } from "./copy-progress.ts";

test("two copies of one attempt add up to what was announced", () => {
  const before = toBeMoved({ paths: 8, downloadBytes: 10_486, unpackedBytes: 31_458 });
  const first = onTopOf(before, { ...nothingMoved, pathsDone: 5, pathsTotal: 8, bytesDone: 6000 });
  expect(
    withMissing(onTopOf(first, { ...nothingMoved, pathsDone: 4, bytesDone: 5000 }), 0),
  ).toEqual({
    pathsDone: 8,
    pathsTotal: 8,
    bytesDone: 11_000,
    bytesTotal: 11_000,
  });
});

test("a path that failed to arrive does not count once the copy is over", () => {
  const failed = onTopOf(toBeMoved({ paths: 8, downloadBytes: 0, unpackedBytes: 0 }), {
    ...nothingMoved,
    pathsDone: 8,
  });
  expect(withMissing(failed, 2)).toMatchObject({ pathsDone: 6, pathsTotal: 8 });
});

test("without an announcement the log's own numbers are taken", () => {
  expect(onTopOf(nothingMoved, { ...nothingMoved, pathsDone: 3, pathsTotal: 5 })).toMatchObject({
    pathsDone: 3,
    pathsTotal: 5,
  });
});
