import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { signEd25519 } from "@nix-ota/proto/ed25519";
import { publicHalf } from "@nix-ota/proto/key-file";
import { expect, it } from "vitest";

import { temporaryFolder } from "../temporary-folder.testkit.ts";
import { commandSigner, parseKeyCommand, type Argv } from "./key-command.ts";

const SEED = new Uint8Array(32).fill(7);
const KEY = publicHalf({ name: "token", seed: SEED });
const MESSAGE = new Uint8Array([0, 1, 255, 10, 13]);
const SIGNATURE = Buffer.from(signEd25519(MESSAGE, SEED));

const env = { PATH: process.env["PATH"], NIX_OTA_TOKEN: "secret" };
const host = { env, signal: new AbortController().signal };

async function signBy(argv: Argv, timeLimitMs?: number): Promise<Uint8Array> {
  return commandSigner(argv, KEY, host, timeLimitMs).sign(MESSAGE);
}

/** A program that answers with the signature when it is given the message, in a form of its own. */
async function program(answer: string) {
  const folder = await temporaryFolder();
  const file = join(folder.path, "sign");
  const text = `#!${process.execPath}
const chunks = [];
process.stdin.on("data", (chunk) => chunks.push(chunk));
process.stdin.on("end", () => {
  const known = Buffer.concat(chunks).toString("hex") === "${Buffer.from(MESSAGE).toString("hex")}";
  const signature = Buffer.from("${SIGNATURE.toString("hex")}", "hex");
  if (known) process.stdout.write(${answer});
});
`;
  await writeFile(file, text);
  await chmod(file, 0o755);
  return { file, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

it.each(["signature", 'signature.toString("base64")', 'signature.toString("base64") + "\\n"'])(
  "takes %s as the signature of what it wrote to stdin",
  async (answer) => {
    await using signer = await program(answer);
    expect(await signBy([signer.file])).toEqual(Uint8Array.from(SIGNATURE));
  },
);

it("hands arguments over as they are, and no token", async () => {
  await using signer = await program(
    'JSON.stringify(process.argv.slice(2)) === \'["a b","$HOME"]\' && !process.env.NIX_OTA_TOKEN ? signature : ""',
  );
  expect(await signBy([signer.file, "a b", "$HOME"])).toHaveLength(64);
});

it.each<[string, string, RegExp]>([
  ["another key's", "Buffer.alloc(64, 1)", /does not verify under --key-command-key token/u],
  ["half a signature", "signature.subarray(32)", /answered with 32 bytes that are no signature/u],
  ["nothing", '""', /answered with 0 bytes/u],
  ["endless words", '"x".repeat(1 << 20)', /wrote over 1024 bytes/u],
])("refuses %s", async (_, answer, message) => {
  await using signer = await program(answer);
  await expect(signBy([signer.file])).rejects.toThrow(
    expect.objectContaining({ kind: "key", message: expect.stringMatching(message) }),
  );
});

it.each<[string, Argv, RegExp]>([
  ["fails", ["false"], /--key-command false ended with exit code 1/u],
  ["is not there", ["/nonexistent/sign"], /cannot be run: /u],
  ["never ends", ["sleep", "1000"], /sleep did not answer within 0\.2 s/u],
])("says so when the program %s", async (_, argv, message) => {
  await expect(signBy(argv, argv[0] === "sleep" ? 200 : undefined)).rejects.toThrow(message);
});

it("reads a command as words, or as a list where a word has blanks", () => {
  expect(parseKeyCommand(" ykman  sign 9c ")).toEqual(["ykman", "sign", "9c"]);
  expect(parseKeyCommand('["/opt/my signer","9c"]')).toEqual(["/opt/my signer", "9c"]);
  for (const text of ["", " ", "[]", '[""]', "[1]", "[x"])
    expect(() => parseKeyCommand(text)).toThrow(/names no program/u);
});
