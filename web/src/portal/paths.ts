// Where the portal lives.
export const ROOT = "/hooks/portal";
