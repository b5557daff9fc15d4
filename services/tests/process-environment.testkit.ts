/** What a process of a test takes over: how to find programs, and what node compiled before. */
export function processEnvironment(): NodeJS.ProcessEnv {
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  return { PATH, NODE_COMPILE_CACHE };
}

/** Words in front of a command that end it with the process that starts it, however that ends. */
export const ENDS_WITH_ITS_STARTER = ["setpriv", "--pdeathsig", "KILL", "--"] as const;
