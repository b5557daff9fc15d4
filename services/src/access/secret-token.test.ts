import fc from "fast-check";
import { expect, test } from "vitest";

import { makeSecretToken, readSecretToken } from "./secret-token.ts";
import { sameDigest } from "./secret.ts";

test("a token is read back as what is kept of it, and by no other prefix", () => {
  const { id, sha256, text } = makeSecretToken("noe");
  expect(text).toBe(`noe_${id}_${text.slice(-64)}`);
  expect(text.length).toBeLessThanOrEqual(128);
  expect(readSecretToken("noe", text)).toEqual({ id, sha256 });
  expect(readSecretToken("nota", text)).toBeUndefined();
});

test("no changed character leaves a token what it was", () => {
  const { id, sha256, text } = makeSecretToken("nota");
  const changed = fc
    .tuple(fc.nat(text.length - 1), fc.constantFrom("0", "a", "f", "A", "_", "g", "\n"))
    .map(([at, character]) => text.slice(0, at) + character + text.slice(at + 1))
    .filter((other) => other !== text);
  fc.assert(
    fc.property(changed, (other) => {
      const read = readSecretToken("nota", other);
      expect(read?.id === id && sameDigest(read.sha256, sha256)).toBe(false);
    }),
    { numRuns: 1000 },
  );
});

test("two tokens share neither id nor secret, and what is kept does not tell the secret", () => {
  const [one, two] = [makeSecretToken("noe"), makeSecretToken("noe")];
  expect(one.id).not.toBe(two.id);
  expect(one.text.slice(-64)).not.toBe(two.text.slice(-64));
  expect(Buffer.from(one.sha256).toString("hex")).not.toContain(one.text.slice(-64));
  expect(sameDigest(one.sha256, one.sha256.subarray(1))).toBe(false);
});
