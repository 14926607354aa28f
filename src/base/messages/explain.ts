export const explainMessages = {};
