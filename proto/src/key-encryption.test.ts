import { expect, test } from "vitest";

import { decryptSecretKey, encryptSecretKey, isEncryptedKey } from "./key-encryption.ts";
import { printSecretKey } from "./key-file.ts";

const key = { name: "release-1", seed: new Uint8Array(32).fill(7) };
/** The cheapest cost taken; the default takes a second for each derivation. */
const CHEAP = 10;
const FORM = "an encrypted private key is written";
const WRONG = "the passphrase is wrong, or the key file was changed";

test("a key opens under its passphrase, and under no other", async () => {
  const text = await encryptSecretKey(key, "correct horse", CHEAP);
  expect([
    await decryptSecretKey(`${text}\n`, "correct horse"),
    await decryptSecretKey(text, "correct horsf"),
    await decryptSecretKey(text, ""),
  ]).toEqual([key, WRONG, WRONG]);
});

test("a passphrase typed composed or decomposed is the same", async () => {
  const text = await encryptSecretKey(key, "pâté", CHEAP);
  expect(await decryptSecretKey(text, "pa\u0302te\u0301")).toEqual(key);
});

test("the default cost is 2^17, and twice the same key looks different", async () => {
  const [a, b] = [await encryptSecretKey(key, "x"), await encryptSecretKey(key, "x", CHEAP)];
  expect(a).toMatch(/^nix-ota-ed25519-encrypted:release-1:scrypt:17:[^:]{24}:[^:]{16}:[^:]{64}$/);
  expect(a.split(":").slice(4)).not.toEqual(b.split(":").slice(4));
  expect(await decryptSecretKey(a, "x")).toEqual(key);
});

test("the encrypted form is told from the plain one", async () => {
  const text = await encryptSecretKey(key, "x", CHEAP);
  expect([isEncryptedKey(text), isEncryptedKey(printSecretKey(key)), isEncryptedKey("")]).toEqual([
    true,
    false,
    false,
  ]);
});

test("a changed field is noticed, the name too", async () => {
  const text = await encryptSecretKey(key, "x", CHEAP);
  const fields = text.split(":");
  const changed = (place: number, value: string) => fields.with(place, value).join(":");
  const answers = await Promise.all(
    [
      changed(1, "release-2"),
      changed(3, "11"),
      changed(4, "AAAAAAAAAAAAAAAAAAAAAA=="),
      changed(5, "AAAAAAAAAAAAAAAA"),
      changed(6, `AAAA${(fields[6] ?? "").slice(4)}`),
    ].map((one) => decryptSecretKey(one, "x")),
  );
  expect(answers).toEqual(answers.map(() => WRONG));
});

test("what is not the form, or asks for too much memory or none, is told before any work", async () => {
  const text = await encryptSecretKey(key, "x", CHEAP);
  const fields = text.split(":");
  const changed = (place: number, value: string) => fields.with(place, value).join(":");
  const answers = await Promise.all(
    [
      "",
      printSecretKey(key),
      changed(0, "nix-ota-ed25519-secret"),
      changed(1, "-x"),
      changed(2, "argon2"),
      changed(3, "9"),
      changed(3, "21"),
      changed(3, "1e1"),
      changed(3, "-10"),
      changed(4, "AAAA"),
      changed(5, "AAAA"),
      changed(6, "AAAA"),
      `${text}:x`,
      text.padEnd(1_100, " "),
    ].map((one) => decryptSecretKey(one, "x")),
  );
  expect(answers).toEqual(answers.map(() => expect.stringContaining(FORM)));
});

test.each([
  ["an empty passphrase", () => encryptSecretKey(key, "", CHEAP)],
  ["a bad name", () => encryptSecretKey({ ...key, name: "a:b" }, "x", CHEAP)],
  ["a cost beyond the bounds", () => encryptSecretKey(key, "x", 21)],
  ["a cost that is no whole number", () => encryptSecretKey(key, "x", 10.5)],
  ["a short seed", () => encryptSecretKey({ ...key, seed: new Uint8Array(31) }, "x", CHEAP)],
])("%s is refused", async (_, act) => {
  await expect(act()).rejects.toMatchObject({ name: "ContractError" });
});
