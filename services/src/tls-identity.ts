import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { createSecureContext } from "node:tls";

/** Where a certificate and its key are. */
export interface TlsFiles {
  /** PEM: the server's certificate, then those between it and its root. */
  readonly cert: string;
  /** PEM: its private key, without passphrase. */
  readonly key: string;
}

/** A certificate with the key that belongs to it. */
export interface TlsIdentity {
  readonly files: TlsFiles;
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Tells one identity from another. */
  readonly digest: string;
  /** The names it is good for, as X.509 writes them. */
  readonly names: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/**
 * Reads a certificate and its key. Returns the sentence that says what is
 * wrong. One that is out of date is read: it is for the caller to complain,
 * and devices with a lost clock may yet take it.
 */
export function readTlsIdentity(files: TlsFiles): TlsIdentity | string {
  try {
    if ((statSync(files.key).mode & 0o007) !== 0) {
      return `the TLS key file ${files.key} is open to every user; close it with: chmod o= ${files.key}`;
    }
    const [cert, key] = [readFileSync(files.cert), readFileSync(files.key)];
    const certificate = part(
      `the TLS certificate file ${files.cert} holds no PEM certificate`,
      () => new X509Certificate(cert),
    );
    const privateKey = part(
      `the TLS key file ${files.key} holds no PEM private key, or one with a passphrase`,
      () => createPrivateKey(key),
    );
    if (!certificate.checkPrivateKey(privateKey)) {
      return `the TLS key in ${files.key} does not belong to the first certificate in ${files.cert}`;
    }
    part(`the TLS certificates in ${files.cert} cannot be used`, () =>
      createSecureContext({ cert, key }),
    );
    return {
      files,
      cert,
      key,
      digest: createHash("sha256").update(cert).update(key).digest("hex"),
      names: certificate.subjectAltName ?? certificate.subject,
      notBefore: new Date(certificate.validFrom),
      notAfter: new Date(certificate.validTo),
    };
  } catch (cause) {
    const { message, code } = cause as NodeJS.ErrnoException;
    return code === undefined ? message : `the TLS files cannot be read: ${message}`;
  }
}

function part<T>(complaint: string, read: () => T): T {
  try {
    return read();
  } catch {
    // Without the library's words: they may quote the file, which may be the key.
    throw new TypeError(complaint);
  }
}
