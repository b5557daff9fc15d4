type Package = { version?: string; integrity?: string; resolved?: string; optional?: boolean };
type Packages = Record<string, Package>;

/**
 * The places in node_modules where an installation differs from the lock, in the lock's order.
 *
 * A package is the same when version and integrity are. An optional package may be absent, since
 * most are for other platforms; a package that the lock does not have may not be present.
 *
 * @param lock text of package-lock.json
 * @param installed text of node_modules/.package-lock.json, which npm writes after installing
 * @throws SyntaxError when one of the two is not JSON
 */
export function differences(lock: string, installed: string): string[] {
  const wanted = modules(lock);
  const present = modules(installed);
  const places = new Set([...Object.keys(wanted), ...Object.keys(present)]);
  return [...places].filter((place) => !agree(wanted[place], present[place]));
}

function agree(wanted: Package | undefined, present: Package | undefined): boolean {
  if (wanted === undefined) return false;
  if (present === undefined) return wanted.optional === true;
  return wanted.version === present.version && wanted.integrity === present.integrity;
}

function modules(text: string): Packages {
  const { packages } = JSON.parse(text) as { packages: Packages };
  return Object.fromEntries(
    Object.entries(packages).filter(
      ([place]) => place.startsWith("node_modules/") || place.includes("/node_modules/"),
    ),
  );
}
