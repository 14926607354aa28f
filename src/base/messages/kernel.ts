export const kernelMessages = {};
