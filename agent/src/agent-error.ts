/**
 * What can end the agent's work other than by an outcome of an attempt.
 *
 * - `config`: the configuration is wrong; the message lists every error.
 * - `state`: the state directory cannot be read or written.
 * - `busy`: another agent or command holds the lock.
 * - `tool`: a program that the agent calls is missing or answers in a way it does not know.
 * - `bundle`: what a person brought is no bundle, or not whole, or none for this device.
 * - `room`: there is no space for what a person brought.
 * - `defect`: an invariant of the agent itself does not hold.
 */
export type AgentErrorKind = "config" | "state" | "busy" | "tool" | "bundle" | "room" | "defect";

/** The one error of this package. */
export class AgentError extends Error {
  readonly kind: AgentErrorKind;

  constructor(kind: AgentErrorKind, message: string, cause: unknown) {
    super(message, { cause });
    this.name = "AgentError";
    this.kind = kind;
  }
}
