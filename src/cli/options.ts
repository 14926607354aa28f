// Options that several commands have.
import { type Command, Option } from "commander";

/** Adds -f, which may be repeated and must be given. */
export function wantFiles(command: Command): Command {
  return command.addOption(fileOption().makeOptionMandatory());
}

/** Returns -f, which may be repeated. */
export function fileOption(): Option {
  const option = new Option(
    "-f, --filename <file>",
    "file, folder, or - for standard input; may be repeated",
  );
  return option.argParser((value: string, before: readonly string[] | undefined) => [
    ...(before ?? []),
    value,
  ]);
}

/** Returns -o with these forms. */
export function outputOption(forms: readonly string[]): Option {
  return new Option("-o, --output <form>", "form of the output").choices(forms);
}
