import { chmod, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { parsePublicKey, parseSecretKey, publicHalf } from "@nix-ota/proto/key-file";
import { expect, it } from "vitest";

import type { Ask } from "./ask.ts";
import { keygen, type KeygenOptions } from "./keygen.ts";
import { createOutput } from "./output.ts";
import { passphraseFor } from "./passphrase.ts";
import { recordingHost } from "./recording-host.testkit.ts";
import { readSigningKey } from "./signing-key.ts";
import { temporaryFolder } from "./temporary-folder.testkit.ts";

const nobody: Ask = {
  possible: false,
  confirm: async () => false,
  typed: async () => false,
  secret: async () => "",
};
const neverAsked = async (): Promise<string> => {
  throw new Error("asked for a passphrase");
};

async function make(options: Partial<KeygenOptions> & { out: string }, ask = nobody) {
  const host = recordingHost();
  await keygen(
    { passphrase: false, ...options },
    ask,
    createOutput(host, { json: false, quiet: true }),
  );
  return host.out();
}

it("writes a private key that only its owner may read, and prints its public half", async () => {
  await using folder = await temporaryFolder();
  const out = join(folder.path, "sign.key");
  const printed = await make({ out });
  expect((await stat(out)).mode & 0o777).toBe(0o600);
  const secret = parseSecretKey(await readFile(out, "utf8"));
  if (typeof secret === "string") throw new Error(secret);
  expect(parsePublicKey(printed)).toEqual(publicHalf(secret));
  expect(printed).toMatch(/^sign:[A-Za-z0-9+/]{43}=\n$/u);
  expect(await readSigningKey(out, neverAsked)).toEqual(secret);
});

it("keeps 0600 whatever the umask", async () => {
  await using folder = await temporaryFolder();
  const before = process.umask(0);
  try {
    await make({ out: join(folder.path, "k") });
  } finally {
    process.umask(before);
  }
  expect((await stat(join(folder.path, "k"))).mode & 0o777).toBe(0o600);
});

it("never overwrites, whatever the file holds", async () => {
  await using folder = await temporaryFolder();
  const out = join(folder.path, "sign.key");
  await writeFile(out, "the only way to the fleet");
  await expect(make({ out })).rejects.toThrow(
    expect.objectContaining({ kind: "file", message: expect.stringMatching(/never overwritten/u) }),
  );
  expect(await readFile(out, "utf8")).toBe("the only way to the fleet");
});

it("makes another key each time", async () => {
  await using folder = await temporaryFolder();
  const keys = [
    await make({ out: join(folder.path, "a"), name: "k" }),
    await make({ out: join(folder.path, "b"), name: "k" }),
  ];
  expect(keys[0]).not.toBe(keys[1]);
});

it("encrypts with the first line of a passphrase file, and opens with it alone", async () => {
  await using folder = await temporaryFolder();
  const [out, right, wrong] = ["sign.key", "right", "wrong"].map((name) =>
    join(folder.path, name),
  ) as [string, string, string];
  await writeFile(right, "correct horse\n");
  await writeFile(wrong, "battery staple\n");
  const printed = await make({ out, passphraseFile: right });
  expect(await readFile(out, "utf8")).toMatch(/^nix-ota-ed25519-encrypted:sign:/u);
  const key = await readSigningKey(out, (file) => passphraseFor(file, right, nobody));
  expect(parsePublicKey(printed)).toEqual(publicHalf(key));
  await expect(readSigningKey(out, (file) => passphraseFor(file, wrong, nobody))).rejects.toThrow(
    /the passphrase is wrong/u,
  );
  await expect(
    readSigningKey(out, (file) => passphraseFor(file, undefined, nobody)),
  ).rejects.toThrow(/is encrypted; give --passphrase-file/u);
});

it("writes nothing when the passphrases differ, or nobody can type one", async () => {
  await using folder = await temporaryFolder();
  const out = join(folder.path, "sign.key");
  const typed = ["one", "two"];
  const slip: Ask = { ...nobody, possible: true, secret: async () => typed.shift() ?? "" };
  await expect(make({ out, passphrase: true }, slip)).rejects.toThrow(/differ/u);
  await expect(make({ out, passphrase: true })).rejects.toThrow(/--passphrase-file/u);
  await expect(stat(out)).rejects.toThrow(/ENOENT/u);
});

it.each([0o640, 0o604, 0o660, 0o644, 0o610])(
  "refuses a private key of mode %o and says how to close it",
  async (mode) => {
    await using folder = await temporaryFolder();
    const out = join(folder.path, "sign.key");
    await make({ out });
    await chmod(out, mode);
    await expect(readSigningKey(out, neverAsked)).rejects.toThrow(
      expect.objectContaining({
        kind: "key",
        message: `key file ${out} is open to others (mode ${mode.toString(8)}); run: chmod 600 ${out}`,
      }),
    );
  },
);

it("never repeats what a file holds that is no key", async () => {
  await using folder = await temporaryFolder();
  const out = join(folder.path, "sign.key");
  await writeFile(out, "nix-ota-ed25519-secret:k:c2VjcmV0\n", { mode: 0o600 });
  await expect(readSigningKey(out, neverAsked)).rejects.toThrow(
    expect.objectContaining({ message: expect.not.stringContaining("c2VjcmV0") }),
  );
});
