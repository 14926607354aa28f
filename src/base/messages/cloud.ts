export const cloudMessages = {
  /** The cloud answered, and it said no. `cloudCode` is its own word. */
  "cloud.refused": (d: { call: string; cloudCode: string; message: string }) =>
    `the provider refused ${d.call}: ${d.cloudCode}${d.message === "" ? "" : ` (${d.message})`}`,
  /** Nobody knows whether the call was carried out. */
  "cloud.no-answer": (d: { call: string; why: string }) => `the provider did not answer ${d.call}: ${d.why}`,
  /** Never says what was found. */
  "cloud.credentials": (d: { where: string; why: string }) =>
    `there are no keys to sign requests to the provider with: ${d.where}: ${d.why}`,
};
