import { expect, test } from "vitest";

import { killAgainAndAgain } from "./killed-server.testkit.ts";

const ROUNDS = 50;

test("a server on postgresql that is killed 50 times loses nothing acknowledged and serves nothing half-written", async () => {
  await expect(killAgainAndAgain("postgresql", ROUNDS)).resolves.toBeUndefined();
}, 900_000);
