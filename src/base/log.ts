// The logger's shape, so that no room depends on a logging library; the agent and the controller hand in pino.

export interface Logger {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

export const silent: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
};
