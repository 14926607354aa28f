// The YAML library behind a module of our own: it is loaded only where YAML is printed, and a bundler can see its
// names only through a static import.
export { stringify } from "yaml";
