import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { expectSuccess, runCommand } from "./run-command.ts";

/** A certificate for 127.0.0.1 and the authority that vouches for it, which nobody else knows. */
export type Certificate = {
  /** PEM files. */
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
  /** Certificate and key in one file, as HAProxy wants them. */
  readonly bundle: string;
};

export async function makeCertificate(dir: string): Promise<Certificate> {
  const file = (name: string) => join(dir, name);
  const made = {
    authority: file("authority.pem"),
    certificate: file("certificate.pem"),
    key: file("key.pem"),
    bundle: file("bundle.pem"),
  };
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  await openssl(
    ["req", "-x509", ...curve, "-subj", "/CN=a test's authority", "-days", "2"],
    ["-keyout", file("authority.key"), "-out", made.authority],
  );
  await openssl(
    ["req", ...curve, "-subj", "/CN=127.0.0.1"],
    ["-keyout", made.key, "-out", file("request.pem")],
  );
  await writeFile(file("extensions"), "subjectAltName=IP:127.0.0.1\n");
  await openssl(
    ["x509", "-req", "-days", "2", "-in", file("request.pem"), "-out", made.certificate],
    ["-CA", made.authority, "-CAkey", file("authority.key"), "-CAcreateserial"],
    ["-extfile", file("extensions")],
  );
  const parts = [await readFile(made.certificate), await readFile(made.key)];
  await writeFile(made.bundle, Buffer.concat(parts), { mode: 0o600 });
  return made;
}

async function openssl(...argv: readonly (readonly string[])[]): Promise<void> {
  const all = ["openssl", ...argv.flat()];
  expectSuccess(all, await runCommand(all, { timeoutMs: 30_000 }));
}
