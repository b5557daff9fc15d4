import { expect, test } from "vitest";

import { killAgainAndAgain } from "./killed-server.testkit.ts";

const ROUNDS = 50;

test("a server on embedded that is killed 50 times loses nothing acknowledged and serves nothing half-written", async () => {
  await expect(killAgainAndAgain("embedded", ROUNDS)).resolves.toBeUndefined();
}, 900_000);
