/** `ne-registry`: reads the command line and hands over to one program. Each is loaded only when it is asked for. */
import { Command, CommanderError, Option } from 'commander';
import { exitCodes, Fatal, reportFatal } from './platform/fatal.ts';
import { provideCollector, useLittleMemory } from './platform/settle.ts';
import { addAdmin } from './registry/admin/commands.ts';
import type { ServeFlags } from './registry/config.ts';

/** Every action gives its exit code here. */
type Exit = (code: number) => void;

function createProgram(exit: Exit): Command {
  const program = new Command('ne-registry')
    .description('An OCI registry and the Kubernetes operator that runs it.')
    .enablePositionalOptions()
    .exitOverride()
    .showHelpAfterError('(--help tells the options)');
  addServe(program, exit);
  addPassedThrough(program, exit);
  addAdmin(program, exit).hook('preAction', useLittleMemory);
  program
    .command('version')
    .description('print the version')
    .action(async () => {
      const { version } = await import('./platform/version.ts');
      process.stdout.write(`ne-registry ${version}\n`);
    });
  return program;
}

const serveExamples = `
Examples:
  $ ne-registry admin create-user admin --data ./data
  $ ne-registry serve --data ./data --listen 127.0.0.1:5000
  $ ne-registry serve --data ./data --tls-cert tls.crt --tls-key tls.key --anonymous pull
  $ ne-registry serve --config /etc/ne-registry/bootstrap/config.yaml

Users are read from DATA/htpasswd and from every --htpasswd file; changes count within seconds.
SIGHUP reloads at once, SIGTERM finishes requests in flight and ends.
Exit codes: 0 stopped by a signal, 1 could not run or went down, 2 wrong command line or configuration.`;

function addServe(program: Command, exit: Exit): void {
  const config = new Option(
    '--config <file>',
    'bootstrap document (YAML); takes the place of all other options',
  ).conflicts(['data', 'listen', 'managementListen', 'anonymous', 'htpasswd', 'tlsCert', 'tlsKey', 'logLevel']);
  program
    .command('serve')
    .description('serve a registry')
    .option('--data <dir>', 'where images and metadata are kept; made where it is not there')
    .option('--listen <addr>', 'address of the API, "host:port" or ":port" (default ":5000")')
    .option('--management-listen <addr>', 'address of /metrics, /healthz, /readyz (default: that of the API)')
    .addOption(
      new Option('--anonymous <access>', 'what callers without credentials may do').choices(['none', 'pull', 'push']),
    )
    .option('--htpasswd <file>', 'users with bcrypt hashes; may be given several times', collect)
    .option('--tls-cert <file>', 'certificate chain, PEM; plain HTTP without it')
    .option('--tls-key <file>', 'private key of the certificate, PEM')
    .addOption(new Option('--log-level <level>', 'default "info"').choices(['debug', 'info', 'warn', 'error']))
    .addOption(config)
    .addHelpText('after', serveExamples)
    .action(async (flags: Partial<ServeFlags> & { config?: string }) => {
      const { serve } = await import('./registry/run.ts');
      exit(await serve(flags));
    });
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}

/** Programs that read their own command lines. */
function addPassedThrough(program: Command, exit: Exit): void {
  passedThrough(program, 'operator', 'run the operator in a cluster').action(async (args: string[]) => {
    const { operatorUsage, parseOperatorArguments } = await import('./operator/arguments.ts');
    if (asksForHelp(args)) return void process.stdout.write(`${operatorUsage}\n`);
    const options = parseOperatorArguments(args, process.env);
    const { runOperator } = await import('./operator/run.ts');
    exit(await runOperator(options));
  });
  passedThrough(program, 'node-agent', 'set a node up to pull (the operator runs this)').action(
    async (args: string[]) => {
      const { parseNodeAgentArguments } = await import('./node-agent/arguments.ts');
      const options = parseNodeAgentArguments(args, process.env);
      const { runNodeAgent } = await import('./node-agent/run.ts');
      useLittleMemory();
      exit(await runNodeAgent(options));
    },
  );
}

function passedThrough(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .argument('[options...]');
}

function asksForHelp(args: readonly string[]): boolean {
  return args.includes('--help') || args.includes('-h');
}

/** Runs a command line to its end; the exit code. */
async function main(argv: readonly string[]): Promise<number> {
  let code = 0;
  try {
    await createProgram((result) => {
      code = result;
    }).parseAsync(argv);
    return code;
  } catch (error) {
    // Commander has told already; help and version count as success.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage;
    const { createLog } = await import('./platform/log.ts');
    // Programs that serve write their log to stdout; a command's result must stay alone there.
    const serving = argv[2] !== 'admin';
    return reportFatal(error, serving || !(error instanceof Fatal) ? { log: createLog({ fd: serving ? 1 : 2 }) } : {});
  }
}

provideCollector();
process.exit(await main(process.argv));
