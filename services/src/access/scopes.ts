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
  return scopes.includes("read") || isAdmin(scopes);
}

/** Whether the scopes let a caller steer a channel and its devices. */
export function mayOperate(scopes: readonly Scope[], channel: string): boolean {
  return scopes.includes("operate:*") || scopes.includes(`operate:${channel}`) || isAdmin(scopes);
}

/** The channels whose devices the scopes let a caller steer. */
export function operableChannels(scopes: readonly Scope[]): "all" | readonly string[] {
  if (scopes.includes("operate:*") || isAdmin(scopes)) return "all";
  return scopes.flatMap((scope) =>
    scope.startsWith("operate:") ? [scope.slice("operate:".length)] : [],
  );
}

/** Whether the scopes let a caller see one channel: by `read`, or as who publishes on it or steers it. */
export function maySeeChannel(scopes: readonly Scope[], channel: string): boolean {
  return mayRead(scopes) || mayPublish(scopes, channel) || mayOperate(scopes, channel);
}

/**
 * Whether the scopes let a caller decide about access, keys and channels. An
 * admin also reads and operates everything, and publishes nothing: for that a
 * token has to say so.
 */
export function isAdmin(scopes: readonly Scope[]): boolean {
  return scopes.includes("admin");
}
