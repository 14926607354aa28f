export const ipamMessages = {};
