export const snatMessages = {};
