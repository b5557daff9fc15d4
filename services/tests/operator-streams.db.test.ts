import { reasonOf } from "@nix-ota/proto/reason";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { DATABASES, openTestStore } from "./databases.testkit.ts";
import { envelope, KEY } from "./manifests.testkit.ts";
import { clientsOf, TestServer } from "./server.testkit.ts";

const LIMITS = { rereadMs: 300, heartbeatMs: 200 };

/** What a stream says, one at a time; undefined for what is no news. */
class Heard<Message, News> implements AsyncDisposable {
  readonly #abort = new AbortController();
  readonly #messages: AsyncIterator<Message>;
  readonly #news: (message: Message) => News | undefined;

  constructor(
    open: (signal: AbortSignal) => AsyncIterable<Message>,
    news: (message: Message) => News | undefined,
  ) {
    this.#messages = open(this.#abort.signal)[Symbol.asyncIterator]();
    this.#news = news;
  }

  async next(): Promise<News | undefined> {
    const { done, value } = await this.#messages.next();
    if (done === true) throw new Error("the stream ended well");
    return this.#news(value);
  }

  /** The next one that meets the condition; a slow test may miss those before it. */
  async until(meets: (news: News) => boolean): Promise<News> {
    for (;;) {
      const news = await this.next();
      if (news !== undefined && meets(news)) return news;
    }
  }

  async end(): Promise<unknown> {
    try {
      for (;;) await this.next();
    } catch (error) {
      return error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await this.end();
  }
}

describe.each(DATABASES)("operators who watch on %s", (kind) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.on(await openTestStore(kind), undefined, undefined, LIMITS);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  let count = 0;
  let channel = "";
  beforeEach(() => {
    count += 1;
    channel = `prod-${count}`;
  });

  const publish = (revision: bigint, name = channel) =>
    server.operator.publish.publish({
      envelopes: [envelope({ channel: name, revision })],
      publicKeys: [{ key: KEY }],
    });

  const watchChannels = (channels: string[], clients = server.operator) =>
    new Heard(
      (signal) => clients.channel.watchChannel({ channels }, { signal }),
      (message) =>
        message.channel &&
        `${message.channel.name} r${message.channel.headRevision} rollout ${message.rollout?.state}`,
    );
  const watchFleet = (filter: string) =>
    new Heard(
      (signal) => server.operator.checkin.watchFleet({ filter }, { signal }),
      (message) => message.summary && Number(message.summary.deviceCount),
    );

  test("a channel is told as it stands, then at each change of its head and rollout", async () => {
    await publish(1n);
    await using heard = watchChannels([channel]);
    let told: string | undefined;
    // The watch can begin before the process heard of the publish: then that is told once more.
    const news = async () => (told = await heard.until((message) => message !== told));
    expect(await news()).toBe(`${channel} r1 rollout 1`);
    await publish(2n);
    expect(await news()).toBe(`${channel} r2 rollout 1`);
    await server.admin.publish.pauseRollout({ channel, revision: 2n });
    expect(await news()).toBe(`${channel} r2 rollout 2`);
    await publish(1n, `${channel}-other`);
    expect([await heard.next(), await heard.next()]).toEqual([undefined, undefined]);
  });

  test("who names no channel hears of all, also of those that are made later", async () => {
    await publish(1n);
    await using heard = watchChannels([]);
    await heard.until((news) => news.startsWith(`${channel} `));
    channel = `${channel}-later`;
    await publish(1n);
    expect(await heard.until((news) => news.startsWith(`${channel} `))).toContain("r1");
  });

  test("the fleet is counted anew when a device comes, by the filter that was given", async () => {
    const filter = `channel:${channel}`;
    await using heard = watchFleet(filter);
    expect(await heard.next()).toBe(0);
    const device = await server.device(`gw-${count}`, count);
    await device.report({ channel });
    expect(await heard.until((devices) => devices > 0)).toBe(1);
    await using refused = watchFleet("colour:red");
    expect(reasonOf(await refused.end())?.reason).toBe("FILTER_INVALID");
  });

  test("an operator whose token is revoked hears no more", async () => {
    const { token, secret } = await server.admin.access.createToken({
      name: `reader-${count}`,
      scopes: ["read"],
    });
    await publish(1n);
    await using heard = watchChannels([channel], clientsOf(server.url, secret));
    await heard.until(() => true);
    await server.admin.access.revokeToken({ tokenId: token?.id ?? "" });
    expect(reasonOf(await heard.end())?.reason).toBe("STREAM_ENDED");
    await using late = watchChannels([channel], clientsOf(server.url, secret));
    expect(reasonOf(await late.end())?.reason).toBe("CREDENTIAL_INVALID");
  });

  test("a device may not watch what operators watch", async () => {
    const device = await server.device(`gw-${count}`, count);
    await using heard = watchChannels([channel], device.clients);
    expect(reasonOf(await heard.end())?.reason).toBe("SCOPE_MISSING");
  });
});
