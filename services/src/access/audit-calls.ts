import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { AccessService } from "@nix-ota/proto/nixota/v1/access_service_pb";

import { requireAdmin } from "../auth.ts";
import { makeCursor, readCursor } from "../cursor.ts";
import type { Deps } from "../deps.ts";
import { OtaError } from "../ota-error.ts";
import { findAuditRows } from "./audit-queries.ts";

const PAGE_SIZE = 50;

/** The call that reads what operators changed. */
export function auditCalls({
  db,
}: Deps): Pick<ServiceImpl<typeof AccessService>, "listAuditEntries"> {
  return {
    async listAuditEntries({ pageSize, cursor, actor, subjectPrefix }, context) {
      requireAdmin(context);
      const limit = pageSize === 0 ? PAGE_SIZE : pageSize;
      const below = readPlace(cursor);
      // PostgreSQL's text has no zero byte: nothing is named so.
      const asked = `${actor}${subjectPrefix}`;
      const rows = asked.includes("\0")
        ? []
        : await findAuditRows(db, { below, limit, actor, subjectPrefix });
      const last = rows.length === limit ? rows.at(-1)?.id : undefined;
      return {
        entries: rows.map(({ at, before, after, ...row }) => ({
          at: timestampFromDate(at),
          actor: row.actor,
          action: row.action,
          subject: row.subject,
          address: row.address,
          beforeJson: before ?? "",
          afterJson: after ?? "",
        })),
        nextCursor: last === undefined ? "" : makeCursor("ListAuditEntries", [String(last)]),
      };
    },
  };
}

function readPlace(cursor: string): bigint | undefined {
  const [id] = readCursor("ListAuditEntries", cursor, 1) ?? [];
  if (id === undefined) return undefined;
  if (/^[0-9]{1,18}$/.test(id)) return BigInt(id);
  throw new OtaError("CURSOR_INVALID", "the cursor is not from this call; begin without one");
}
