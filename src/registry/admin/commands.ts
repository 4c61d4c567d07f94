import { type Command, Option } from 'commander';
import type { AdminCheckFlags, BackupFlags, CreateUserFlags, MigrateFlags, RestoreFlags } from './flags.ts';

/** Takes a command's exit code. */
type Exit = (code: number) => void;

const exits = 'Exit codes: 0 done, 1 failed or something is missing, 2 wrong command line or configuration.';

const createUserExamples = `
Examples:
  $ ne-registry admin create-user alice --data ./data          # prints a new random password once
  $ ne-registry admin create-user alice --data ./data --password-stdin < password.txt
  $ ne-registry admin create-user bot --htpasswd users.htpasswd

A user who is there already gets the new password. A running registry takes the change over within seconds.
The user "admin" is the administrator unless the configuration names others.`;

const checkExamples = `
Examples:
  $ ne-registry admin check --data ./data
  $ ne-registry admin check --data ./data --rehash --output json
  $ ne-registry admin check --config /etc/ne-registry/bootstrap/config.yaml

Checks the database, every manifest against its digest, and that every blob is there with its size. It only reads,
and may run beside a registry. Exit codes: 0 all is well, 1 something is damaged, 2 wrong command line.`;

const backupExamples = `
Examples:
  $ ne-registry admin backup --data ./data --to /mnt/backup
  $ ne-registry admin backup --config config.yaml              # to backup.target of the configuration
  $ ne-registry admin backup --config config.yaml --output json

Takes a snapshot of the metadata: names, tags, manifests with their bytes, rules. Layers and other blobs are not in it: they are
where storage keeps them. It only reads, and may run beside a registry; a snapshot in backup.target is counted among the kept ones.
${exits}`;

const restoreExamples = `
Examples:
  $ ne-registry admin restore --data ./data
  $ ne-registry admin restore --config config.yaml --output json
  $ ne-registry admin restore --data ./data --from /mnt/backup                 # a folder of snapshots: the newest
  $ ne-registry admin restore --config config.yaml --force \\
      --from snapshot-20260102t030405678z-000001-0000000000000042.ndjson.zst   # as it was then

Brings lost metadata back from the newest checkpoint or snapshot and the journal beside the blobs, compared with the bytes that are
there; with a snapshot named, as it was then. Stop the registry first. The old database file is kept aside. What could not be brought
back is told, all of it with --output json.
${exits}`;

const migrateExamples = `
Examples:
  $ ne-registry admin migrate --from embedded.yaml --to cluster.yaml
  $ ne-registry admin migrate --from embedded.yaml --to cluster.yaml --output json

Copies a registry into empty stores of any kind: blobs first, each verified by its digest on the way, then everything else; then
compares both. Interrupted, it goes on where it was when it is run again. The source is only read; no registry may serve from it.
${exits}`;

/** `ne-registry admin …`. Each command is loaded only when it is asked for. */
export function addAdmin(program: Command, exit: Exit): Command {
  const admin = program.command('admin').description('work on a registry offline');
  addCreateUser(admin);
  addCheck(admin, exit);
  addBackup(admin, exit);
  addRestore(admin, exit);
  addMigrate(admin, exit);
  return admin;
}

const outputs = () => ({ stdout: process.stdout, stderr: process.stderr });
const outputOption = () => new Option('--output <format>', 'text or json').choices(['text', 'json']).default('text');

function withPlace(command: Command): Command {
  return command
    .option('--data <dir>', 'data directory')
    .addOption(new Option('--config <file>', 'bootstrap document (YAML), for stores of any kind').conflicts('data'));
}

function addCreateUser(admin: Command): void {
  admin
    .command('create-user')
    .description('add a user, or give one a new password')
    .argument('<name>')
    .option('--data <dir>', 'data directory; the user goes to its htpasswd file')
    .addOption(new Option('--htpasswd <file>', 'the file to change').conflicts('data'))
    .option('--password-stdin', 'read the password from standard input')
    .addHelpText('after', createUserExamples)
    .action(async (name: string, flags: CreateUserFlags) => {
      const { createUser } = await import('./create-user.ts');
      await createUser(name, flags, { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr });
    });
}

function addCheck(admin: Command, exit: Exit): void {
  withPlace(admin.command('check').description('look for damage'))
    .option('--rehash', 'read every blob and compare its digest; takes as long as reading them does')
    .addOption(outputOption())
    .addHelpText('after', checkExamples)
    .action(async (flags: AdminCheckFlags) => {
      const { runCheck } = await import('./run-check.ts');
      exit(await runCheck(flags, outputs()));
    });
}

function addBackup(admin: Command, exit: Exit): void {
  withPlace(admin.command('backup').description('take a snapshot of the metadata'))
    .option('--to <dir>', 'folder that the snapshot goes to; backup.target of the configuration unless given')
    .addOption(outputOption())
    .addHelpText('after', backupExamples)
    .action(async (flags: BackupFlags) => {
      const { runBackup } = await import('./backup.ts');
      exit(await runBackup(flags, outputs()));
    });
}

function addRestore(admin: Command, exit: Exit): void {
  withPlace(admin.command('restore').description('bring lost metadata back'))
    .option('--from <snapshot>', '"newest", a folder of snapshots, a file, or the name of a kept snapshot', 'newest')
    .option('--force', 'also where the database that is there holds something')
    .addOption(outputOption())
    .addHelpText('after', restoreExamples)
    .action(async (flags: RestoreFlags) => {
      const { runRestore } = await import('./restore.ts');
      exit(await runRestore(flags, outputs()));
    });
}

function addMigrate(admin: Command, exit: Exit): void {
  admin
    .command('migrate')
    .description('copy a registry into other stores')
    .requiredOption('--from <file>', 'bootstrap document of the registry that is')
    .requiredOption('--to <file>', 'bootstrap document of the registry that shall be')
    .option('--allow-damaged', 'go on where bytes are missing or damaged; what needs them cannot be pulled afterwards')
    .addOption(outputOption())
    .addHelpText('after', migrateExamples)
    .action(async (flags: MigrateFlags) => {
      const { runMigrate } = await import('./migrate.ts');
      exit(await runMigrate(flags, outputs()));
    });
}
