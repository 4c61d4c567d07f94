/** The commands around the rules that registries carry out; each loads its code when it is run. */
import type { Command } from 'commander';
import { command, examples, positive, run } from './command.ts';
import type { PlanOptions, RunOptions } from './commands/replication.ts';
import type { PreviewOptions, TrashOptions } from './commands/retention-live.ts';
import type { GeneralOptions, Surroundings } from './context.ts';

const rule = 'host[:port]/rule: the registry that carries it out, and its name';

export function defineReplication(program: Command, surroundings: Surroundings): void {
  const replication = program
    .command('replication')
    .description('Rules that keep images of registries in step, as an administrator of the registry that works.');
  const commands = () => import('./commands/replication.ts');

  command(replication, 'status', 'Show how far the targets of a rule are, or of all rules of a registry.')
    .argument('<rule>', `${rule}; without a name, all`)
    .addHelpText(
      'after',
      examples(
        'ne-cli replication status registry.example.com',
        'ne-cli replication status registry.example.com/mirror',
      ),
    )
    .action((name: string, options: GeneralOptions) =>
      run(surroundings, options, async (context) => (await commands()).replicationStatus(context, name)),
    );

  command(replication, 'plan', 'Compare source and targets, and show what a run would do. Changes nothing.')
    .argument('<rule>', rule)
    .option('--all', 'also tags that need nothing')
    .addHelpText(
      'after',
      examples(
        'ne-cli replication plan registry.example.com/mirror',
        'ne-cli replication plan --all registry.example.com/mirror --output json',
      ),
    )
    .action((name: string, options: PlanOptions & GeneralOptions) =>
      run(surroundings, options, async (context) => (await commands()).replicationPlan(context, name, options)),
    );

  command(replication, 'run', 'Compare source and targets now, and copy what is missing.')
    .argument('<rule>', rule)
    .option('--wait', 'until every target has what it should')
    .option('--timeout <seconds>', 'how long to wait; by default 600', positive)
    .addHelpText('after', examples('ne-cli replication run --wait registry.example.com/mirror'))
    .action((name: string, options: RunOptions & GeneralOptions) =>
      run(surroundings, options, async (context) => (await commands()).replicationRun(context, name, options)),
    );

  command(replication, 'retry', 'Try again now what failed, without waiting any longer.')
    .argument('<rule>', rule)
    .addHelpText('after', examples('ne-cli replication retry registry.example.com/mirror'))
    .action((name: string, options: GeneralOptions) =>
      run(surroundings, options, async (context) => (await commands()).replicationRetry(context, name)),
    );
}

/** The commands below `retention` that ask a registry. */
export function defineLiveRetention(retention: Command, surroundings: Surroundings): void {
  const commands = () => import('./commands/retention-live.ts');

  command(retention, 'explain', 'Say why an image stays or goes: policy, rule, and who uses it.')
    .argument('<image>', 'host[:port]/repository:tag or @digest')
    .addHelpText('after', examples('ne-cli retention explain registry.example.com/team/app:1.0'))
    .action((image: string, options: GeneralOptions) =>
      run(surroundings, options, async (context) => (await commands()).explainImage(context, image)),
    );

  command(
    retention,
    'preview',
    'Show what a policy would expire in a registry, if it were the only one. Changes nothing.',
  )
    .argument('<place>', 'host[:port] for the repositories that the policy selects, or host[:port]/repository for one')
    .requiredOption('--policy <file>', 'an ECR lifecycle policy (JSON), or a RetentionPolicy (YAML)')
    .addHelpText(
      'after',
      examples(
        'ne-cli retention preview --policy policy.yaml registry.example.com',
        'ne-cli retention preview --policy policy.json registry.example.com/team/app --output json',
      ),
    )
    .action((place: string, options: PreviewOptions & GeneralOptions) =>
      run(surroundings, options, async (context) => (await commands()).previewPolicy(context, place, options)),
    );

  command(retention, 'trash', 'List what expired and can still be restored.')
    .argument('<place>', 'host[:port], or host[:port]/repository')
    .option('--limit <n>', 'at most so many', positive)
    .addHelpText('after', examples('ne-cli retention trash registry.example.com/team/app'))
    .action((place: string, options: TrashOptions & GeneralOptions) =>
      run(surroundings, options, async (context) => (await commands()).listTrash(context, place, options)),
    );

  command(retention, 'restore', 'Take expired images of one repository back, with their tags.')
    .argument('<image...>', 'host[:port]/repository:tag (what it pointed at last) or @digest')
    .addHelpText('after', examples('ne-cli retention restore registry.example.com/team/app:1.0'))
    .action((images: string[], options: GeneralOptions) =>
      run(surroundings, options, async (context) => (await commands()).restoreImages(context, images)),
    );
}
