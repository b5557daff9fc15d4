import { countOf, relativeTime } from "../amounts.ts";
import { parseCount } from "../count-argument.ts";
import type { Host } from "../host.ts";
import { momentMs } from "../moment.ts";
import { readPages } from "../pages.ts";
import { handOverSecret } from "../secret-result.ts";
import { answerOf, given } from "../server-error.ts";
import { channelOf, openSession, type SessionOptions } from "../session.ts";
import { renderTable } from "../table.ts";
import { safeText } from "../terminal-text.ts";
import { expiry, expiryText } from "./expiry.ts";
import { enrolmentTokenDocument } from "./token-document.ts";
import { noteSuspended, paintState } from "./token-state-text.ts";

/** Most that the server gives at once. */
const PAGE_SIZE = 200;

interface CreateOptions extends SessionOptions {
  channel?: string | undefined;
  uses: string;
  expires?: string | undefined;
  out?: string | undefined;
}

/** Makes a token by which devices enrol and hands its secret over once. */
export async function createEnrolmentToken(options: CreateOptions, host: Host): Promise<void> {
  const maxUses = parseCount("--uses", options.uses, 1, 100_000);
  const ends = expiry(options.expires, host.now());
  const { server, output, context } = await openSession(options, host);
  const request = { channel: channelOf(options, context), maxUses, ...ends };
  await handOverSecret(options.out, output, async () => {
    const answer = await answerOf(server.access.createEnrolmentToken(request), server.url);
    const token = given(answer.token, server.url);
    return {
      secret: answer.secret,
      document: enrolmentTokenDocument(token, host.now()),
      made: `enrolment token ${safeText(token.id)}: ${countOf(token.maxUses, "device")} of ${safeText(token.channel)}, ${expiryText(token)}`,
    };
  });
}

/** Prints the enrolment tokens, without their secrets. */
export async function listEnrolmentTokens(
  options: SessionOptions & { limit: string },
  host: Host,
): Promise<void> {
  const limit = parseCount("--limit", options.limit, 1, 100_000);
  const { server, output } = await openSession(options, host);
  const { items, more } = await readPages(limit, async (cursor) => {
    const request = { cursor, pageSize: Math.min(PAGE_SIZE, limit) };
    const answer = await answerOf(server.access.listEnrolmentTokens(request), server.url);
    return { items: answer.tokens, nextCursor: answer.nextCursor };
  });
  const nowMs = host.now();
  const rows = items.map((token) => ({ token, document: enrolmentTokenDocument(token, nowMs) }));
  const documents = rows.map(({ document }) => document);
  output.result({ tokens: documents, truncated: more }, () =>
    rows.length === 0
      ? "no enrolment tokens; nix-ota enrol-token create makes one"
      : renderTable(
          [
            { title: "ID" },
            { title: "CHANNEL" },
            { title: "STATE" },
            { title: "USED", align: "right" },
            { title: "EXPIRES" },
            { title: "MADE BY" },
          ],
          rows.map(({ token, document }) => [
            safeText(token.id),
            safeText(token.channel),
            paintState(document.state, output),
            `${token.uses} of ${token.maxUses}`,
            relativeTime(momentMs(token.expiresAt), nowMs),
            safeText(token.createdBy) || "–",
          ]),
          output.tableStyle(),
        ),
  );
  noteSuspended(documents, "enrol-token", output);
  if (more) output.note(`only the first ${countOf(items.length, "token")}; see more with --limit`);
}

/** Ends an enrolment token; devices that came by it stay. */
export async function revokeEnrolmentToken(
  id: string,
  options: SessionOptions,
  host: Host,
): Promise<void> {
  const { server, output } = await openSession(options, host);
  const answer = await answerOf(server.access.revokeEnrolmentToken({ tokenId: id }), server.url);
  const token = given(answer.token, server.url);
  output.result(
    enrolmentTokenDocument(token, host.now()),
    () =>
      `enrolment token ${safeText(token.id)} is revoked; ${countOf(token.uses, "device")} that came by it stay`,
  );
}

/** Lets an enrolment token work again that a restored backup suspended. */
export async function confirmEnrolmentToken(
  id: string,
  options: SessionOptions,
  host: Host,
): Promise<void> {
  const { server, output } = await openSession(options, host);
  const answer = await answerOf(server.access.confirmEnrolmentToken({ tokenId: id }), server.url);
  const token = given(answer.token, server.url);
  const document = enrolmentTokenDocument(token, host.now());
  output.result(document, () => `enrolment token ${safeText(token.id)} is ${document.state}`);
}
