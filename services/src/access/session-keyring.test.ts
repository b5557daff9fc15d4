import { expect, test } from "vitest";

import type { SessionKeys } from "./session-key-file.ts";
import { openSessionKeyring } from "./session-keyring.ts";
import { issueSession, readSession } from "./session-token.ts";

const [OLD, NEW] = [1, 2].map((byte) => new Uint8Array(32).fill(byte)) as [Uint8Array, Uint8Array];
const SESSION = { deviceId: "gw-1", keyEpoch: 1, expiresAtS: 100 };

/** A replica: its file and its database can be changed under it. */
async function replica(file: SessionKeys) {
  const world: { file: SessionKeys | string; salt: Uint8Array } = {
    file,
    salt: new Uint8Array(32),
  };
  const keyring = await openSessionKeyring(
    file,
    () => world.file,
    async () => world.salt,
  );
  return {
    world,
    refresh: () => keyring.refresh(),
    issue: () => issueSession(SESSION, keyring.keys),
    takes: (token: string) => readSession(token, keyring.keys, 1) !== undefined,
  };
}

test("keys are rotated in four steps, in each of which every replica takes every session", async () => {
  const [one, two] = [await replica([OLD]), await replica([OLD])];
  const steps: SessionKeys[] = [[OLD, NEW], [NEW, OLD], [NEW]];
  let before = one.issue();
  for (const file of steps) {
    for (const changed of [one, two]) {
      changed.world.file = file;
      const isKeyGone = file.length === 1;
      expect(await changed.refresh()).toMatchObject({ keyCount: file.length, isKeyGone });
      const given = [one.issue(), two.issue(), ...(file.length === 1 ? [] : [before])];
      for (const token of given) expect([one.takes(token), two.takes(token)]).toEqual([true, true]);
    }
    if (file.length === 1) expect(one.takes(before)).toBe(false);
    else if (file[0] === OLD) before = one.issue();
  }
});

test("a file that went wrong is told, and leaves the keys as they were", async () => {
  const one = await replica([OLD]);
  const token = one.issue();
  one.world.file = "the file is not there";
  expect(await one.refresh()).toEqual({ kind: "unreadable", problem: "the file is not there" });
  expect(one.takes(token)).toBe(true);
});

test("a database that was restored voids every session given before", async () => {
  const one = await replica([OLD]);
  const token = one.issue();
  one.world.salt = new Uint8Array(32).fill(9);
  expect(await one.refresh()).toEqual({ kind: "changed", keyCount: 1, isKeyGone: true });
  expect(await one.refresh()).toEqual({ kind: "same" });
  expect(one.takes(token)).toBe(false);
  expect(one.takes(one.issue())).toBe(true);
});

test("the file's key alone makes no session", async () => {
  const one = await replica([OLD]);
  expect(one.takes(issueSession(SESSION, [OLD]))).toBe(false);
});
