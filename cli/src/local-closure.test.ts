import { expect, it } from "vitest";

import type { ClosurePath } from "./closure.ts";
import { readLocalClosures } from "./local-closure.ts";
import type { PathInfoQuestion } from "./nix.ts";
import { closurePath } from "./store-paths.testkit.ts";

const TOP = closurePath("till-1", { references: ["base-1", "till-1"] });
const BASE = closurePath("base-1");
const signal = new AbortController().signal;

function storeOf(closure: readonly ClosurePath[], asked: PathInfoQuestion[] = []) {
  return async (question: PathInfoQuestion): Promise<string> => {
    asked.push(question);
    return JSON.stringify(closure);
  };
}

it("asks for the path with all that it refers to", async () => {
  const asked: PathInfoQuestion[] = [];
  const { closureOf } = await readLocalClosures([TOP.path], signal, storeOf([TOP, BASE], asked));
  expect(closureOf(TOP.path)).toEqual([TOP, BASE]);
  expect(asked).toEqual([{ paths: [TOP.path], recursive: true }]);
});

it("refuses a closure of which something is missing: its listing would pin too little", async () => {
  await expect(readLocalClosures([TOP.path], signal, storeOf([TOP]))).rejects.toThrow(
    `${BASE.path} is not valid in the local store; build it here first`,
  );
  await expect(readLocalClosures([TOP.path], signal, storeOf([BASE]))).rejects.toThrow(
    `${TOP.path} is not valid in the local store`,
  );
});

it("reads several closures at once and keeps them apart", async () => {
  const other = closurePath("till-2", { references: ["base-1", "jq-1"] });
  const jq = closurePath("jq-1", { references: ["base-1"] });
  const asked: PathInfoQuestion[] = [];
  const store = storeOf([TOP, BASE, other, jq], asked);
  const graph = await readLocalClosures([TOP.path, other.path, TOP.path], signal, store);
  expect(asked).toEqual([{ paths: [TOP.path, other.path], recursive: true }]);
  expect(graph.paths).toHaveLength(4);
  expect(new Set(graph.closureOf(TOP.path))).toEqual(new Set([TOP, BASE]));
  expect(new Set(graph.closureOf(other.path))).toEqual(new Set([other, jq, BASE]));
});
