import fc from "fast-check";
import { expect, test } from "vitest";

import { parseDeviceFilter } from "./device-filter.ts";

test.each<[string, object[]]>([
  ["", []],
  ["  ", []],
  ["channel:prod", [{ key: "channel", value: "prod" }]],
  ["target:", [{ key: "target", value: "" }]],
  ["target:fridge", [{ key: "target", value: "fridge" }]],
  [
    "tag:eu  tag:canary",
    [
      { key: "tag", value: "eu" },
      { key: "tag", value: "canary" },
    ],
  ],
  ["-standing:accepted", [{ key: "standing", value: "accepted", negated: true }]],
  ["system:x86_64-linux", [{ key: "system", value: "x86_64-linux" }]],
  ["state:stuck", [{ key: "state", value: 11 }]],
  ["state:awaiting_reboot", [{ key: "state", value: 7 }]],
  ["outcome:rolled_back", [{ key: "outcome", value: 2 }]],
  ["revision:0", [{ key: "revision", value: 0n }]],
  ["seen:90m", [{ key: "seen", withinMs: 5_400_000 }]],
  ["-unseen:3d", [{ key: "unseen", withinMs: 259_200_000, negated: true }]],
  ["id:gw-1", [{ key: "id", value: "gw-1", isPrefix: false }]],
  ["id:gw-*", [{ key: "id", value: "gw-", isPrefix: true }]],
  ["id:*", [{ key: "id", value: "", isPrefix: true }]],
  [
    "is:behind\tis:cloned",
    [
      { key: "is", value: "behind" },
      { key: "is", value: "cloned" },
    ],
  ],
])("%o is read", (text, terms) => {
  expect(parseDeviceFilter(text)).toEqual(terms.map((term) => ({ negated: false, ...term })));
});

test.each([
  [
    "prod",
    'the filter has no key for "prod"; a term is key:value with one of channel, target, tag, standing, system, state, outcome, revision, seen, unseen, id, is',
  ],
  ["chanel:prod", /no key for "chanel:prod"/],
  ["--channel:prod", /no key for "--channel:prod"/],
  ["__proto__:x", /no key/],
  ["channel:", 'the term "channel:" cannot be read; channel takes a channel\'s name'],
  ["channel:Prod", /channel takes/],
  ["tag:a,b", /one tag/],
  ["standing:ok", /standing takes one of accepted, pending, rejected, revoked/],
  ["system:x86", /e\.g\. x86_64-linux/],
  ["state:STUCK", /state takes one of unspecified, idle, .*stuck/],
  ["outcome:1", /outcome takes one of/],
  ["revision:-1", /revision takes a number/],
  ["revision:9007199254740992", /revision takes a number/],
  ["seen:0m", /a span of time/],
  ["seen:5", /a span of time/],
  ["unseen:9999999d", /a span of time/],
  ["id:*gw", /how it begins/],
  ["id:g*w", /how it begins/],
  ["is:down", /is takes one of cloned, conflict, behind, pinned/],
])("%o is refused with the term and the remedy", (text, sentence) => {
  expect(parseDeviceFilter(`channel:prod ${text}`)).toEqual(
    typeof sentence === "string" ? sentence : expect.stringMatching(sentence),
  );
});

test("any text is read, or refused with one printable sentence", () => {
  const word = fc.oneof(
    fc.string({ unit: "binary" }),
    fc
      .tuple(
        fc.constantFrom("channel", "id", "seen", "is", "state", "revision", "tag"),
        fc.string(),
      )
      .map(([key, value]) => `${key}:${value}`),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 4 }), (words) => {
      const read = parseDeviceFilter(words.join(" "));
      if (typeof read !== "string") return;
      expect(read).toMatch(/^[ -~…]+$/);
    }),
    { numRuns: 1000 },
  );
});
