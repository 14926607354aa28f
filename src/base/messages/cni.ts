export const cniMessages = {
  /** Carries an error object of the CNI specification to where the reply is written. */
  "cni.failed": (d: { code: number; msg: string; details?: string | undefined }) =>
    d.details === undefined ? d.msg : `${d.msg}; ${d.details}`,
};
