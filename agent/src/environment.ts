/** What of this process's environment programs get: nothing that could change what nix trusts. */
const PASSED = [
  "PATH",
  "LANG",
  "LOCALE_ARCHIVE",
  "TZDIR",
  "NIX_SSL_CERT_FILE",
  "SSL_CERT_FILE",
  "http_proxy",
  "https_proxy",
  "no_proxy",
  // Another agent reads there what this one does.
  "CREDENTIALS_DIRECTORY",
];

/**
 * The environment of every program that the agent runs.
 *
 * @param own the agent's own environment.
 * @param stateDir holds nix's caches as well: what one device's nix remembers is no other's business.
 */
export function programEnvironment(
  own: Readonly<Record<string, string | undefined>>,
  stateDir: string,
): Readonly<Record<string, string>> {
  const passed = PASSED.flatMap((name) => {
    const value = own[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(passed), HOME: stateDir, XDG_CACHE_HOME: `${stateDir}/cache` };
}
