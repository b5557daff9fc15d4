/** Private keys, operator and enrolment tokens as they are written, and passwords in URLs. */
const SECRETS = [
  /(nix-ota-ed25519-secret:)\S+/gu,
  /(no(?:ta|e)_)\w{8,}/gu,
  /(\w+:\/\/)[^\s/@"]+(?=@)/gu,
] as const;

/**
 * A sentence without the secrets in it. Whoever writes `--key "$(cat sign.key)"` for `--key sign.key`
 * has named a file by the secret, and the log of a pipeline keeps what an error repeats.
 */
export function withoutSecrets(sentence: string): string {
  return SECRETS.reduce((text, secret) => text.replaceAll(secret, "$1…"), sentence);
}
