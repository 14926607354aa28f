export const storeMessages = {};
