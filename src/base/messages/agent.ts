export const agentMessages = {};
