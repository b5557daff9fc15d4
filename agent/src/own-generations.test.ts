import { describe, expect, test } from "vitest";

import { ownGenerations, standingClaims, superfluous } from "./own-generations.ts";

const generations = (...paths: readonly string[]) =>
  paths.map((storePath, index) => ({ number: index + 1, storePath }));
const numbers = (some: readonly { readonly number: number }[]) => some.map(({ number }) => number);

describe("a generation", () => {
  test("is the agent's when it came after the claim with the path that was claimed", () => {
    const all = generations("factory", "a", "hand", "b", "a");
    const claims = [
      { above: 1, storePath: "a" },
      { above: 3, storePath: "b" },
    ];
    expect(numbers(ownGenerations(claims, all))).toEqual([2, 4]);
  });

  test("that a person made of the same path is not, also when the agent's is gone", () => {
    const claims = standingClaims([{ above: 1, storePath: "a" }], generations("factory", "a", "b"));
    expect(claims).toEqual([{ above: 1, storePath: "a" }]);
    // Gone, and then made again by hand.
    const without = standingClaims(claims, generations("factory", "c", "b"));
    expect(ownGenerations(without, generations("factory", "c", "b", "a"))).toEqual([]);
  });

  test("that was claimed but never came about is nobody's", () => {
    expect(standingClaims([{ above: 2, storePath: "a" }], generations("factory", "a"))).toEqual([]);
  });
});

describe("too many are", () => {
  const own = generations("a", "b", "c", "d", "e");

  test("the oldest beyond the number that is kept", () => {
    expect(numbers(superfluous(own, 2, new Set()))).toEqual([1, 2, 3]);
    expect(superfluous(own, 5, new Set())).toEqual([]);
    expect(superfluous(own, 9, new Set())).toEqual([]);
  });

  test("none that runs, booted, is committed or is the way back", () => {
    expect(numbers(superfluous(own, 1, new Set(["b", "d"])))).toEqual([1, 3]);
  });
});
