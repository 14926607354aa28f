export const baseMessages = {
  "base.address": (d: { text: string; why: string }) => `'${d.text}' is not an IP address: ${d.why}`,
  "base.cidr": (d: { text: string; why: string }) => `'${d.text}' is not an address range: ${d.why}`,
};
