export const cniMessages = {};
