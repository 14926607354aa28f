export const controllerMessages = {
  "controller.not-leader": (d: { lease: string }) =>
    `this controller does not hold the lease ${d.lease} (any more) and must not change anything`,
  "controller.default-pool": (d: { why: string }) =>
    `the pool that the settings ask for cannot be made: ${d.why}`,
};
