/** `publish:<channel or *>`, `operate:<channel or *>`, `read` or `admin`. */
export type Scope = "read" | "admin" | `publish:${string}` | `operate:${string}`;

/** Whether the scopes let a caller publish on a channel. */
export function mayPublish(scopes: readonly Scope[], channel: string): boolean {
  return scopes.includes("publish:*") || scopes.includes(`publish:${channel}`);
}

/** Whether the scopes let a caller publish on some channel. */
export function mayPublishSomewhere(scopes: readonly Scope[]): boolean {
  return scopes.some((scope) => scope.startsWith("publish:"));
}

/** Whether the scopes let a caller see the fleet. */
export function mayRead(scopes: readonly Scope[]): boolean {
  return scopes.includes("read");
}
