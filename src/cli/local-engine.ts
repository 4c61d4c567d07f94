import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Context } from './context.ts';
import { CliFailure, UsageFailure } from './failure.ts';

interface Engine {
  readonly name: string;
  /** The program and arguments that write an image to a file. */
  readonly command: (image: string, file: string, namespace: string | undefined) => readonly [string, ...string[]];
}

const engines: readonly Engine[] = [
  { name: 'docker', command: (image, file) => ['docker', 'image', 'save', '--output', file, image] },
  {
    name: 'podman',
    command: (image, file) => [
      'podman',
      'image',
      'save',
      '--quiet',
      '--format',
      'oci-archive',
      '--output',
      file,
      image,
    ],
  },
  {
    name: 'nerdctl',
    command: (image, file, namespace) => [
      'nerdctl',
      ...inNamespace(namespace),
      'image',
      'save',
      '--output',
      file,
      image,
    ],
  },
  {
    name: 'containerd',
    command: (image, file, namespace) => ['ctr', ...inNamespace(namespace), 'images', 'export', file, image],
  },
];

/** The names that `--from` takes. */
export const engineNames: readonly string[] = engines.map((engine) => engine.name);

/**
 * Lets the first local engine that has the image write it to a temporary file. @returns the file, and how to remove it
 * @throws CliFailure that says what each engine answered
 */
export async function exportFromEngine(
  context: Context,
  image: string,
  options: { readonly from?: string; readonly namespace?: string },
): Promise<{ file: string; remove: () => Promise<void> }> {
  const tried = engines.filter((engine) => options.from === undefined || engine.name === options.from);
  if (tried.length === 0) throw new UsageFailure(`--from ${options.from}: choose one of ${engineNames.join(', ')}`);
  const scratch = await mkdtemp(join(tmpdir(), 'ne-cli-push-'));
  const remove = async () => await rm(scratch, { recursive: true, force: true });
  const answers: string[] = [];
  try {
    for (const engine of tried) {
      const file = join(scratch, `${engine.name}.tar`);
      const failure = await run(engine.command(image, file, options.namespace), context.signal);
      if (failure === undefined) {
        context.say(`taking ${image} from ${engine.name}`);
        return { file, remove };
      }
      answers.push(`${engine.name}: ${failure}`);
    }
  } catch (error) {
    await remove();
    throw error;
  }
  await remove();
  throw new CliFailure(
    `no local container engine could give ${image}:\n  ${answers.join('\n  ')}\nName a file instead (ne-cli push IMAGE FILE): an OCI layout, or what \`docker save\` wrote`,
  );
}

/** Runs a program; answers why it failed, in a line, or undefined. */
async function run(
  [program, ...args]: readonly [string, ...string[]],
  signal: AbortSignal,
): Promise<string | undefined> {
  return await new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], signal });
    let complaint = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(-2000);
    });
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (signal.aborted) reject(signal.reason);
      else resolve(error.code === 'ENOENT' ? 'not installed' : `cannot be run (${error.code})`);
    });
    child.on('close', (code) => resolve(code === 0 ? undefined : lastLine(complaint) || `exit code ${code}`));
  });
}

function lastLine(text: string): string {
  return (text.trim().split('\n').at(-1) ?? '').replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ').slice(0, 200);
}

function inNamespace(namespace: string | undefined): string[] {
  return namespace === undefined ? [] : ['--namespace', namespace];
}
