/**
 * How an unknown device comes to a channel: the first key seen for its id is
 * pinned, it brings an enrolment token, or an operator accepts it.
 */
export type EnrolmentMode = "open" | "token" | "approve";
