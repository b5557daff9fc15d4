import type { Logger } from "pino";

import { readTlsIdentity, type TlsIdentity } from "./tls-identity.ts";

/** Keeps what is shown to callers the certificate that is in the files. */
export interface CertificateRenewal {
  /** Looks at the files at once. */
  look(): void;
  /** What is shown. */
  readonly shown: TlsIdentity;
  stop(): void;
}

/**
 * Reads the files again and again: renewal replaces links or contents, on any
 * file system, and a certificate has weeks to go when it is replaced. Files that
 * are wrong, e.g. one of two replaced so far, change nothing and are looked at
 * again.
 */
export function startCertificateRenewal(options: {
  /** What is shown so far. */
  readonly shown: TlsIdentity;
  readonly use: (identity: TlsIdentity) => void;
  readonly log: Logger;
  readonly everyMs: number;
  readonly nowMs: () => number;
}): CertificateRenewal {
  const { log } = options;
  let { shown } = options;
  let complaint = "";
  warnOfDates(shown, options);
  const look = () => {
    const read = readTlsIdentity(shown.files);
    if (typeof read === "string") {
      if (read !== complaint) log.error(`${read}; the certificate before it is shown still`);
      complaint = read;
      return;
    }
    complaint = "";
    if (read.digest === shown.digest) return;
    options.use(read);
    shown = read;
    log.info({ names: read.names, notAfter: read.notAfter }, "certificate renewed");
    warnOfDates(read, options);
  };
  const timer = setInterval(look, options.everyMs);
  return {
    look,
    get shown() {
      return shown;
    },
    stop: () => clearInterval(timer),
  };
}

function warnOfDates(
  { notBefore, notAfter }: TlsIdentity,
  { log, nowMs }: { readonly log: Logger; readonly nowMs: () => number },
): void {
  const now = nowMs();
  if (now < notBefore.getTime() || now > notAfter.getTime()) {
    log.error(
      { notBefore, notAfter },
      "the TLS certificate is out of date; no client will take it",
    );
  }
}
