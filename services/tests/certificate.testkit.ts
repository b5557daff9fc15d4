import { spawnSync } from "node:child_process";
import { join } from "node:path";

import type { TlsFiles } from "../src/tls-identity.ts";

/** A certificate for loopback, signed by itself, in files of a folder. */
export function makeCertificate(folder: string, name: string): TlsFiles {
  const files = { cert: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) };
  const { status, stderr } = spawnSync(
    "openssl",
    [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
      ...["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"],
      ...["-days", "2", "-keyout", files.key, "-out", files.cert],
    ],
    { encoding: "utf8", timeout: 20_000 },
  );
  if (status !== 0) throw new Error(`openssl: ${stderr}`);
  return files;
}
