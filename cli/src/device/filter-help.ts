/** The filter language for `--help`, as the contract has it. */
export const FILTER_HELP = `
Filters are terms joined by blanks; a device has to meet all of them:
  channel:NAME target:NAME tag:NAME id:NAME id:BEGIN*
  standing:accepted|pending|rejected|revoked
  state:idle|fetching|probation|stuck|...   what its agent does
  outcome:applied|rolled_back|failed|...    how its last attempt ended
  revision:NUMBER                           the release that it runs
  seen:90m unseen:3d                        reported within, or not within
  system:x86_64-linux  is:cloned|conflict|behind|pinned
A - in front turns a term round: -tag:lab`;
