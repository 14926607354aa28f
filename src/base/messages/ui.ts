export const uiMessages = {
  "ui.path": (d: { path: string }) =>
    `there is nothing at ${d.path}; the interface is described in docs/ui.md`,
  "ui.method": (d: { method: string; path: string }) => `${d.method} is not for ${d.path}`,
  "ui.token": (_d: object) =>
    "the token is missing or wrong: open the address that `trunkline ui` or `trunkline lab up` printed",
  "ui.host": (d: { host: string }) =>
    `'${d.host}' is not a name of this page: say it with --host-name, if it is one`,
  "ui.origin": (d: { origin: string }) => `a page of '${d.origin}' may not ask here`,
  "ui.body": (d: { why: string }) => `the request's body is not what is asked for: ${d.why}`,
  "ui.missing": (d: { name: string }) => `'${d.name}' is missing in the question`,
  "ui.value": (d: { name: string; value: string; why: string }) => `'${d.value}' is no ${d.name}: ${d.why}`,
  "ui.no-probe": (d: { why: string }) => `no packets are sent from here: ${d.why}`,
  "ui.not-found": (d: { what: string; name: string }) => `there is no ${d.what} '${d.name}'`,
  "ui.not-built": (d: { folder: string }) =>
    `the page is not built: ${d.folder} is missing (node scripts/build.mjs builds it)`,
  "ui.listen": (d: { text: string }) =>
    `'${d.text}' is no place to listen at: ADDRESS:PORT, such as 127.0.0.1:7080 or [::1]:0`,
  "ui.token-file": (d: { path: string }) =>
    `${d.path} holds no token: at least 32 letters, digits, '-' or '_'`,
};
