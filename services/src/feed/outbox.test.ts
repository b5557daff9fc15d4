import { create } from "@bufbuild/protobuf";
import { DirectiveSchema, type Directive } from "@nix-ota/proto/nixota/v1/device_pb";
import fc from "fast-check";
import { expect, test } from "vitest";

import { Outbox } from "./outbox.ts";

const directive = (number: number): Directive =>
  create(DirectiveSchema, { acknowledgedSequence: BigInt(number) });

function rest(outbox: Outbox): readonly (number | string)[] {
  const taken: (number | string)[] = [];
  for (;;) {
    const next = outbox.take();
    if (next === undefined) return taken;
    if (next.kind === "end") return [...taken, next.reason?.message ?? "well"];
    taken.push(Number(next.directive.acknowledgedSequence));
  }
}

test("of what is pushed to a reader that does not read, only the newest waits", () => {
  const outbox = new Outbox();
  expect([1, 2, 3].map((number) => outbox.push(directive(number)))).toEqual([false, true, true]);
  expect(rest(outbox)).toEqual([3]);
});

test("every acknowledgement is kept in its order, and takes the place of what was pushed before", () => {
  const outbox = new Outbox();
  outbox.push(directive(1));
  outbox.acknowledge(directive(2));
  outbox.acknowledge(directive(3));
  expect(outbox.unsent).toBe(2);
  outbox.push(directive(4));
  expect(rest(outbox)).toEqual([2, 3, 4]);
});

test("an end comes after what was acknowledged, and instead of what was pushed", () => {
  const outbox = new Outbox();
  outbox.acknowledge(directive(1));
  outbox.push(directive(2));
  outbox.end(new Error("revoked"));
  outbox.end(new Error("too late"));
  outbox.push(directive(3));
  outbox.acknowledge(directive(4));
  expect(rest(outbox)).toEqual([1, "revoked"]);
});

test("whatever comes, no acknowledgement is lost and what is read last is what came last", () => {
  const step = fc.constantFrom("push", "acknowledge", "take");
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const outbox = new Outbox();
      const acknowledged: number[] = [];
      const read: number[] = [];
      let last = 0;
      for (const [index, kind] of steps.entries()) {
        if (kind === "take") {
          const next = outbox.take();
          if (next?.kind === "directive") read.push(Number(next.directive.acknowledgedSequence));
          continue;
        }
        last = index + 1;
        if (kind === "acknowledge") acknowledged.push(last);
        outbox[kind](directive(last));
      }
      read.push(...(rest(outbox) as number[]));
      expect(read).toEqual(read.toSorted((a, b) => a - b));
      expect(acknowledged.filter((number) => !read.includes(number))).toEqual([]);
      expect(read.at(-1) ?? 0).toBe(last);
    }),
  );
});
