import type { Journal } from "./journal.ts";

/**
 * Whether the journal knows of no attempt: the device is new, or both slots were lost, and the machine
 * has not moved since but for a retry that was granted. A manifest that was refused moves nothing. Pure.
 */
export const knowsNoAttempt = ({ blank }: Journal): boolean => blank === true;
