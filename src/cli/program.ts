import { Argument, Command, Option } from 'commander';
import { collect, command, examples, positive, run } from './command.ts';
import { type CopyCommandOptions, copy } from './commands/copy.ts';
import { type InspectOptions, inspect } from './commands/inspect.ts';
import { type ListOptions, listCatalog, listTagsOf } from './commands/list.ts';
import { type LoginOptions, login, logout } from './commands/login.ts';
import { type PullOptions, pull } from './commands/pull.ts';
import { type PushOptions, push } from './commands/push.ts';
import { type RemoveOptions, remove } from './commands/remove.ts';
import type { PlanOptions } from './commands/retention.ts';
import type { GeneralOptions, Surroundings } from './context.ts';
import { engineNames } from './local-engine.ts';
import { defineLiveRetention, defineReplication } from './rule-commands.ts';

/** Builds the command line of ne-cli. Parsing runs the command; its failure is thrown to the caller. */
export function buildProgram(surroundings: Surroundings): Command {
  const program = new Command('ne-cli')
    .description('Work with images in OCI registries: push, pull, copy, list, inspect, delete.')
    .version(surroundings.version)
    .showHelpAfterError('(run with --help for the options and examples)')
    .configureOutput({
      writeOut: (text) => surroundings.stdout.write(text),
      writeErr: (text) => surroundings.stderr.write(text),
    })
    .exitOverride();
  const defines = [defineLogin, definePush, definePull, defineCopy, defineLists, defineInspect, defineRemove];
  for (const define of [...defines, defineRetention, defineReplication]) define(program, surroundings);
  return program;
}

const image = new Argument('<image>', 'host[:port]/repository[:tag]');

function defineLogin(program: Command, surroundings: Surroundings): void {
  command(
    program,
    'login',
    'Check credentials with a registry and keep them where Docker, Podman and skopeo find them too.',
  )
    .argument('<host>', 'host[:port]')
    .option('-u, --username <user>', 'user name')
    .option('--password-stdin', 'read the password from standard input')
    .addHelpText(
      'after',
      examples(
        'ne-cli login registry.example.com -u alice',
        'kubectl get secret admin -o go-template="{{.data.password | base64decode}}" | ne-cli login registry.example.com -u admin --password-stdin',
      ),
    )
    .action((host: string, options: LoginOptions & GeneralOptions) =>
      run(surroundings, options, (context) => login(context, host, options)),
    );

  command(program, 'logout', 'Forget the credentials of a registry.')
    .argument('<host>', 'host[:port]')
    .addHelpText('after', examples('ne-cli logout registry.example.com'))
    .action((host: string, options: GeneralOptions) => run(surroundings, options, (context) => logout(context, host)));
}

function definePush(program: Command, surroundings: Surroundings): void {
  command(
    program,
    'push',
    'Push an image: from an OCI layout or docker-archive, or, with no path, from the local Docker, Podman or containerd.',
  )
    .addArgument(image)
    .argument('[path]', 'OCI layout (folder, .tar, .tar.gz) or what `docker save` wrote')
    .addOption(new Option('--from <engine>', 'the local engine to take the image from').choices([...engineNames]))
    .option('--namespace <name>', "containerd's namespace, for example k8s.io")
    .option('--image <name>', 'the name of the image in the file or engine, where it differs')
    .option('--platform <os/arch>', 'push only the image for this platform')
    .option('--no-referrers', 'leave out signatures and other referrers that a layout holds')
    .addHelpText(
      'after',
      examples(
        'ne-cli push registry.example.com/team/app:1.0',
        'ne-cli push registry.example.com/team/app:1.0 app.tar',
        'ne-cli push --from containerd --namespace k8s.io registry.example.com/team/app:1.0',
      ),
    )
    .action((name: string, path: string | undefined, options: PushOptions & GeneralOptions) =>
      run(surroundings, options, (context) => push(context, name, path, options)),
    );
}

function definePull(program: Command, surroundings: Surroundings): void {
  command(
    program,
    'pull',
    'Pull an image into an OCI layout (a folder, or a file that ends in .tar) or a docker-archive.',
  )
    .addArgument(image)
    .option('-o, --out <path>', 'where to; by default NAME-TAG.tar in this folder')
    .addOption(new Option('--format <format>', 'what to write').choices(['oci', 'docker-archive']).default('oci'))
    .option(
      '--platform <os/arch>',
      'only the image for this platform; by default all of them, for a docker-archive the one of this machine',
    )
    .option('--referrers', 'also signatures and whatever else refers to the image')
    .option('--force', 'replace a file that is there')
    .addHelpText(
      'after',
      examples(
        'ne-cli pull registry.example.com/team/app:1.0',
        'ne-cli pull registry.example.com/team/app:1.0 --format docker-archive -o app.tar && docker load -i app.tar',
        'ne-cli pull registry.example.com/team/app:1.0 -o ./layout --platform linux/arm64',
      ),
    )
    .action((name: string, options: PullOptions & GeneralOptions) =>
      run(surroundings, options, (context) => pull(context, name, options)),
    );
}

function defineCopy(program: Command, surroundings: Surroundings): void {
  command(
    program,
    'copy',
    'Copy an image from registry to registry. Digests stay the same; what is there already is not sent again.',
  )
    .argument('<source>', 'host[:port]/repository[:tag][@digest]')
    .argument('<target>', "host[:port]/repository[:tag]; without a tag, the source's")
    .option('--all-tags', 'every tag of the repository')
    .option('--referrers', 'also signatures and whatever else refers to the image')
    .option(
      '--platform <os/arch>',
      'one: that image alone; given several times: the index with these images, where the target allows it',
      collect,
    )
    .option('--source-insecure', '--insecure for the source alone')
    .option('--source-plain-http', '--plain-http for the source alone')
    .option('--target-insecure', '--insecure for the target alone')
    .option('--target-plain-http', '--plain-http for the target alone')
    .addHelpText(
      'after',
      examples(
        'ne-cli copy docker.io/library/alpine:3.22 registry.example.com/base/alpine',
        'ne-cli copy --all-tags --referrers old.example.com/team/app registry.example.com/team/app',
      ),
    )
    .action((source: string, target: string, options: CopyCommandOptions & GeneralOptions) =>
      run(surroundings, options, (context) => copy(context, source, target, options)),
    );
}

function defineLists(program: Command, surroundings: Surroundings): void {
  command(program, 'ls', 'List the repositories of a registry that you may see.')
    .argument('<host>', 'host[:port]')
    .option('--limit <n>', 'at most so many', positive)
    .addHelpText('after', examples('ne-cli ls registry.example.com', 'ne-cli ls registry.example.com --output json'))
    .action((host: string, options: ListOptions & GeneralOptions) =>
      run(surroundings, options, (context) => listCatalog(context, host, options)),
    );

  command(program, 'tags', 'List the tags of a repository.')
    .argument('<repository>', 'host[:port]/repository')
    .option('--limit <n>', 'at most so many', positive)
    .addHelpText('after', examples('ne-cli tags registry.example.com/team/app'))
    .action((name: string, options: ListOptions & GeneralOptions) =>
      run(surroundings, options, (context) => listTagsOf(context, name, options)),
    );
}

function defineInspect(program: Command, surroundings: Surroundings): void {
  command(program, 'inspect', 'Show what a tag or digest stands for: manifest, config, sizes, referrers.')
    .addArgument(image)
    .option('--platform <os/arch>', 'the image for this platform, out of an index')
    .option('--raw', "the manifest's exact bytes and nothing else")
    .addHelpText(
      'after',
      examples(
        'ne-cli inspect registry.example.com/team/app:1.0',
        'ne-cli inspect registry.example.com/team/app:1.0 --output json',
        'ne-cli inspect --raw registry.example.com/team/app:1.0 | sha256sum',
      ),
    )
    .action((name: string, options: InspectOptions & GeneralOptions) =>
      run(surroundings, options, (context) => inspect(context, name, options)),
    );
}

function defineRemove(program: Command, surroundings: Surroundings): void {
  command(program, 'rm', 'Delete a tag, or a manifest with all its tags. On a terminal it asks first.')
    .argument('<image>', 'host[:port]/repository:tag or host[:port]/repository@digest')
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      examples('ne-cli rm registry.example.com/team/app:old', 'ne-cli rm --yes registry.example.com/team/app@sha256:…'),
    )
    .action((name: string, options: RemoveOptions & GeneralOptions) =>
      run(surroundings, options, (context) => remove(context, name, options)),
    );
}

function defineRetention(program: Command, surroundings: Surroundings): void {
  const retention = program.command('retention').description('Lifecycle policies: what they would expire, and why.');
  defineLiveRetention(retention, surroundings);
  command(retention, 'plan', 'Show what a policy does with the images of a file. Works offline: it asks no registry.')
    .requiredOption('--policy <file>', 'an ECR lifecycle policy (JSON), or a RetentionPolicy (YAML)')
    .requiredOption('--images <file>', 'what `aws ecr describe-images` printed, perhaps with children and subject')
    .option('--pins <file>', 'digests in use, which never expire: a JSON list, or one a line')
    .option('--now <time>', 'plan as of this time (RFC 3339) instead of now')
    .addHelpText(
      'after',
      examples(
        'aws ecr describe-images --repository-name app > images.json',
        'ne-cli retention plan --policy policy.json --images images.json',
        'ne-cli retention plan --policy policy.yaml --images images.json --now 2026-12-01T00:00:00Z --output json',
      ),
    )
    .action((options: PlanOptions & GeneralOptions) =>
      run(surroundings, options, async (context) => {
        const { planOffline } = await import('./commands/retention.ts');
        await planOffline(context, options);
      }),
    );
}
