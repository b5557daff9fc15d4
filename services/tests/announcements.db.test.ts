import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { announceChannels } from "../src/db/announce.ts";
import { HEAD_NOTIFICATION } from "../src/db/database.ts";
import type { Store } from "../src/db/store.ts";
import { DATABASES, openTestStore } from "./databases.testkit.ts";

describe.each(DATABASES)("announcements on %s", (kind) => {
  let store: Store;
  beforeAll(async () => {
    store = await openTestStore(kind);
    await store.db.insertInto("channel").values({ name: "prod", threshold: 1 }).execute();
  });
  afterAll(async () => {
    await store.close();
  });

  const version = async () => {
    const { version: now } = await store.db
      .selectFrom("channel")
      .where("name", "=", "prod")
      .select("version")
      .executeTakeFirstOrThrow();
    return now;
  };

  test("who listens hears once it is committed, and reads a version that rose", async () => {
    const before = await version();
    let heard = Promise.withResolvers<void>();
    const stop = await store.listen(HEAD_NOTIFICATION, () => heard.resolve());
    heard = Promise.withResolvers();
    await store.db.transaction().execute(async (transaction) => {
      await announceChannels(transaction, ["prod", "prod", "none"]);
    });
    await heard.promise;
    expect(await version()).toBe(before + 1n);
    await stop();
  });

  test("nobody hears of what is taken back", async () => {
    const before = await version();
    let count = 0;
    const stop = await store.listen(HEAD_NOTIFICATION, () => (count += 1));
    const begun = count;
    const undone = store.db.transaction().execute(async (transaction) => {
      await announceChannels(transaction, ["prod"]);
      throw new Error("no");
    });
    await expect(undone).rejects.toThrow("no");
    // What came before the answer to it came before the answer to this.
    await announceChannels(store.db, []);
    expect([await version(), count]).toEqual([before, begun]);
    await stop();
  });
});
