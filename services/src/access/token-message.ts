import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { TokenSchema, type Token } from "@nix-ota/proto/nixota/v1/access_service_pb";

import type { StoredToken } from "./stored-token.ts";

/** A token as operators see it. */
export function tokenMessage(token: StoredToken): Token {
  return create(TokenSchema, {
    id: token.id,
    name: token.name,
    scopes: [...token.scopes],
    createdAt: timestampFromDate(token.createdAt),
    createdBy: token.createdBy,
    ...stamp("expiresAt", token.expiresAt),
    ...stamp("revokedAt", token.revokedAt),
    ...stamp("suspendedAt", token.suspendedAt),
    ...stamp("lastUsedAt", token.lastUsedAt),
  });
}

function stamp<Name extends string>(name: Name, at: Date | undefined) {
  return at === undefined ? {} : { [name]: timestampFromDate(at) };
}
