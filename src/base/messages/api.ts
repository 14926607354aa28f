export const apiMessages = {
  "api.selector": (d: { text: string; column: number; why: string }) =>
    `'${d.text}' is not a selector: ${d.why} (column ${d.column})`,
};
