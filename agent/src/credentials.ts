/** Files that systemd hands to the agent's service. Pure. */

/** What `LoadCredential=` may call a file; the configuration names it so, without a path. */
export const CREDENTIAL_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/;

/** Where root finds them beside the service: commands at the device read the same configuration. */
const OF_THE_SERVICE = "/run/credentials/nix-ota-agent.service";

/**
 * Path of a file that the configuration names.
 *
 * @param file an absolute path, or the name of a credential.
 * @param directory value of CREDENTIALS_DIRECTORY; undefined outside of a service with credentials.
 */
export function credentialPath(file: string, directory: string | undefined): string {
  return file.startsWith("/") ? file : `${directory ?? OF_THE_SERVICE}/${file}`;
}
