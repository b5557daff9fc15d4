import { sql } from "kysely";

import { findTables, readRows } from "../src/backup/table-queries.ts";
import type { Db } from "../src/db/database.ts";
import type { Store } from "../src/db/store.ts";

const TEXT = "it''s \"odd\" \\ {a,b} \u{1f9ca} \t\n";
const STATEMENTS = [
  `insert into channel (name, head_revision, threshold, created_at)
     values ('prod', 9007199254740991, 1, '2026-01-02T03:04:05.678901Z'), ('edge', 0, 2, now())`,
  `insert into channel_key values ('prod', decode(repeat('00ff', 16), 'hex'), 'k', 0)`,
  `insert into listing (digest, content) select sha256(c), c
     from (select decode(repeat('00', 5000) || lpad(to_hex(n), 4, '0'), 'hex') as c
             from generate_series(1, 5) n) l`,
  `insert into release values ('prod', 9007199254740991, '${TEXT}')`,
  `insert into manifest select 'prod', '', 9007199254740991, '\\x00010a0dff', sha256('x'), 'x86_64-linux',
     '/nix/store/x', 18446744073709551615, digest, -9223372036854775808, 9223372036854775807, '${TEXT}', ''
     from listing limit 1`,
  `insert into manifest_signature values ('prod', '', 9007199254740991,
     decode(repeat('07', 32), 'hex'), decode(repeat('08', 16), 'hex'))`,
  `insert into audit (actor, action, subject, address, before, after)
     values ('a', 'Publish', 'prod', '::1', null, '{"n": 1.50, "s": "\\u2028"}')`,
  `insert into device (id, channel, target, standing, public_key, tags, inventory)
     select 'gw-' || n, 'prod', '', 'accepted', sha256(n::text::bytea),
            array['{', 'a"b', 'null', ''], case when n > 1 then '\\x0000'::bytea end
       from generate_series(1, 300) n`,
  `insert into device_status select id, 1, 9223372036854775807, 'b', 1, '', '', '', 7, '', 7, null,
     '0.1.0', 4294967295, array['ff'], array[1, 9223372036854775807]::bigint[], now() from device`,
  `insert into attempt select id, 'a1', 'prod', 7, 1, 0, '\\x0a' from device`,
  `insert into device_event (device_id, event_id, number, received_at, detail)
     select id, 'e' || n, 18446744073709551615, now() - n * interval '20 days', '\\x0b'
       from device, generate_series(0, 5) n`,
  `insert into rollout values ('prod', 9007199254740991)`,
  `insert into returned_manifest values
     ('prod', '', 9007199254740991, sha256('y'), '\\x01', 'gw-1')`,
  `insert into operator_token (id, name, secret_sha256, scopes, created_by, revoked_at) values
     ('abcdefgh', 'ops', sha256('1'), array['admin', 'publish:*'], '', null),
     ('bcdefghi', 'old', sha256('2'), array['read'], 'ops', now())`,
  `insert into console_session values (sha256('3'), 'abcdefgh', sha256('1'))`,
  `insert into enrolment_token (id, channel, secret_sha256, max_uses, created_by, expires_at)
     values ('cdefghij', 'prod', sha256('4'), 3, 'ops', now() + interval '1 day')`,
  `insert into forgotten_device values ('gone', 3)`,
];

/** Puts rows into every table, with values that are easily spoilt on the way. */
export async function fillEveryTable(db: Db): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

/** Every row of every table, as text. */
export async function dump({ db }: Store): Promise<Readonly<Record<string, readonly string[]>>> {
  return await db.transaction().execute(async (transaction) => {
    await sql`set local timezone = 'UTC'`.execute(transaction);
    const all: Record<string, readonly string[]> = {};
    for (const table of await findTables(transaction)) {
      const lines: string[] = [];
      for await (const some of readRows(transaction, table)) lines.push(...some);
      all[table.name] = lines.toSorted();
    }
    return all;
  });
}
