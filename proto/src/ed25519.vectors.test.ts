import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

import { expect, test } from "vitest";

import { publicKeyOf, signEd25519, verifyEd25519 } from "./ed25519.ts";
import { fromHex, toHex } from "./hash.ts";

// Public test vectors are not part of the repository.
const DIRECTORY =
  process.env["NIX_OTA_VECTORS"] ??
  resolve(import.meta.dirname, "..", "..", "..", "shared", "vectors");

interface Rfc8032Vector {
  readonly priv: string;
  readonly pub: string;
  readonly msg: string;
  readonly sig: string;
}

interface Wycheproof {
  readonly numberOfTests: number;
  readonly testGroups: readonly {
    readonly publicKey: { readonly pk: string };
    readonly tests: readonly {
      readonly tcId: number;
      readonly msg: string;
      readonly sig: string;
      readonly result: string;
    }[];
  }[];
}

function bytes(hex: string): Uint8Array {
  const decoded = fromHex(hex);
  if (decoded === undefined) throw new Error(`the vectors hold ${hex}, which is not hexadecimal`);
  return decoded;
}

function vectors<T>(name: string, skip: (reason: string) => never): T {
  const file = join(DIRECTORY, name);
  if (!existsSync(file)) {
    const reason = `${name} is not at hand; set NIX_OTA_VECTORS to a directory that holds it`;
    console.warn(`skipped: ${reason}`);
    return skip(reason);
  }
  return JSON.parse(readFileSync(file, "utf8")) as T;
}

test("keys, signatures and verdicts are those of RFC 8032", ({ skip }) => {
  const all = vectors<Rfc8032Vector[]>("rfc8032-ed25519.json", skip);
  expect(all.length).toBeGreaterThan(0);
  for (const { priv, pub, msg, sig } of all) {
    const [seed, message] = [bytes(priv).slice(0, 32), bytes(msg)];
    expect({
      pub: toHex(publicKeyOf(seed)),
      sig: toHex(signEd25519(message, seed)),
      verifies: verifyEd25519(bytes(pub), message, bytes(sig)),
    }).toEqual({ pub, sig, verifies: true });
  }
});

test("every Wycheproof verdict is the one expected", ({ skip }) => {
  const suite = vectors<Wycheproof>("wycheproof-ed25519.json", skip);
  const cases = suite.testGroups.flatMap(({ publicKey, tests }) =>
    tests.map((one) => ({ ...one, key: publicKey.pk })),
  );
  const differing = cases.filter(({ key, msg, sig, result }) => {
    return verifyEd25519(bytes(key), bytes(msg), bytes(sig)) !== (result === "valid");
  });
  expect(cases.length).toBe(suite.numberOfTests);
  expect(differing.map(({ tcId }) => tcId)).toEqual([]);
});
