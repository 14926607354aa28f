export const labMessages = {};
