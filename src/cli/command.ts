/** What the definitions of all commands have in common. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { Context, type GeneralOptions, type Surroundings } from './context.ts';

/** A command with what all commands share. */
export function command(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .addOption(new Option('--output <format>', 'how to print the result').choices(['text', 'json']).default('text'))
    .option('-q, --quiet', 'no progress and no remarks')
    .option('--ca-file <file>', "PEM file of authorities to trust besides the system's")
    .option('--insecure', 'accept any certificate, and plain HTTP where there is no TLS; only on a network you trust')
    .option('--plain-http', 'speak HTTP without TLS');
}

/** Runs a command with a context that is closed after it. */
export async function run(
  surroundings: Surroundings,
  options: GeneralOptions,
  work: (context: Context) => Promise<void>,
): Promise<void> {
  const context = new Context(surroundings, options);
  try {
    await work(context);
  } finally {
    context.close();
  }
}

/** For options that may be given several times. */
export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/** A whole number above 0. */
export function positive(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('a whole number above 0, please');
  return Number(text);
}

/** What `--help` ends with. */
export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`;
}
