/** Of the command line; the package says the same. */
export const VERSION = "0.1.0";
