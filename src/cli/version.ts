/** The version of this build; package.json says the same. */
export const version = "0.1.0";
