import { expect, it } from "vitest";

import type { ClosurePath } from "./closure.ts";
import { readLocalClosure } from "./local-closure.ts";
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
  const closure = await readLocalClosure(TOP.path, signal, storeOf([TOP, BASE], asked));
  expect(closure).toEqual([TOP, BASE]);
  expect(asked).toEqual([{ paths: [TOP.path], recursive: true }]);
});

it("refuses a closure of which something is missing: its listing would pin too little", async () => {
  await expect(readLocalClosure(TOP.path, signal, storeOf([TOP]))).rejects.toThrow(
    `${BASE.path} is not valid in the local store; build it here first`,
  );
  await expect(readLocalClosure(TOP.path, signal, storeOf([BASE]))).rejects.toThrow(
    `${TOP.path} is not valid in the local store`,
  );
});
