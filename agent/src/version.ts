/** Version of the agent, as reported. */
export const AGENT_VERSION = "0.1.0";
