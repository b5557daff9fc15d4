import { create, toBinary } from "@bufbuild/protobuf";

import {
  AuthStatementSchema,
  SignedAuthStatementSchema,
  type AuthStatement,
  type SignedAuthStatement,
} from "../gen/nixota/v1/checkin_service_pb.ts";
import { ContractError } from "./contract-error.ts";
import { signEd25519, verifyEd25519 } from "./ed25519.ts";
import { isId } from "./ids.ts";
import { preAuthEncoding } from "./pae.ts";
import { quoted } from "./quoted.ts";
import { strictParse } from "./strict-parse.ts";

/** Type under which a device signs who it is; never that of a manifest. */
export const AUTH_TYPE = "application/vnd.nix-ota.auth.v1";

const MAX_STATEMENT_BYTES = 1024;
const MAX_NONCE_BYTES = 128;
const MAX_URL_LENGTH = 512;

/**
 * One spelling for a server's URL, so that device and server compare equal
 * text: scheme and host lower-case, no default port, no trailing slash.
 * Undefined for what is no http or https URL, or carries user information,
 * query or fragment.
 */
export function normalizeServerUrl(text: string): string | undefined {
  if (text.length > MAX_URL_LENGTH) return undefined;
  // Judged in the text: the parser repairs blanks and slashes, and an empty
  // query or user name leaves no trace in what it returns.
  if (!/^https?:\/\/[^/?#@\s\\][^?#@\s\\]*$/i.test(text) || !URL.canParse(text)) return undefined;
  const { origin, pathname } = new URL(text);
  const normal = origin + pathname.replace(/\/+$/, "");
  return normal.length > MAX_URL_LENGTH ? undefined : normal;
}

/**
 * A device's proof of who it is, bound to the server it means: another server
 * that passes the signature on is found out by the URL, and the nonce keeps an
 * old one from being used again.
 *
 * @throws {ContractError} kind `text` when the URL, the id or the nonce (1 to
 * 128 bytes) cannot be one, `seed` when the seed is not 32 bytes.
 */
export function signAuthStatement(
  content: { readonly serverUrl: string; readonly deviceId: string; readonly nonce: Uint8Array },
  seed: Uint8Array,
): SignedAuthStatement {
  const serverUrl = normalizeServerUrl(content.serverUrl);
  if (serverUrl === undefined) {
    throw new ContractError("text", `${quoted(content.serverUrl)} is no http or https URL`);
  }
  const { deviceId, nonce } = content;
  if (!isWellFormed({ deviceId, nonce })) {
    throw new ContractError(
      "text",
      `${quoted(deviceId)} is no device id, or the nonce is too long`,
    );
  }
  const statement = toBinary(
    AuthStatementSchema,
    create(AuthStatementSchema, { serverUrl, deviceId, nonce }),
  );
  const signature = signEd25519(preAuthEncoding(AUTH_TYPE, statement), seed);
  return create(SignedAuthStatementSchema, { statement, signature });
}

/**
 * The device that a statement claims to be from, for finding the key to open
 * it with. Nothing is verified. Undefined when no such statement would open.
 */
export function claimedDeviceId(signed: SignedAuthStatement): string | undefined {
  return readStatement(signed.statement)?.deviceId;
}

/**
 * The statement when the key signed it and it is well-formed, else undefined.
 * Whether URL and nonce are the server's own is for the caller to compare.
 */
export function openAuthStatement(
  signed: SignedAuthStatement,
  publicKey: Uint8Array,
): AuthStatement | undefined {
  const statement = readStatement(signed.statement);
  if (statement === undefined) return undefined;
  const encoded = preAuthEncoding(AUTH_TYPE, signed.statement);
  return verifyEd25519(publicKey, encoded, signed.signature) ? statement : undefined;
}

function readStatement(bytes: Uint8Array): AuthStatement | undefined {
  if (bytes.length > MAX_STATEMENT_BYTES) return undefined;
  const parsed = strictParse(AuthStatementSchema, Uint8Array.from(bytes), "none");
  if (!parsed.ok || !isWellFormed(parsed.message)) return undefined;
  const { serverUrl } = parsed.message;
  return normalizeServerUrl(serverUrl) === serverUrl ? parsed.message : undefined;
}

function isWellFormed({ deviceId, nonce }: Pick<AuthStatement, "deviceId" | "nonce">): boolean {
  return isId(deviceId) && nonce.length > 0 && nonce.length <= MAX_NONCE_BYTES;
}
