/**
 * Feature level of the agent in this repository. A manifest whose
 * `min_agent_level` is above it is refused as UNSUPPORTED. Raised by one when a
 * manifest can ask for something that an older agent would do wrongly.
 */
export const AGENT_LEVEL = 1;
