import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Runs `work` while holding an exclusive lock on a file, across processes; waits for as long as another holds it.
 *
 * The lock is the kernel's flock(2), held by a small child that ends when our end of its standard input closes. So it
 * is free again however this process dies, and no stale lock file has ever to be judged.
 */
export async function withLock<T>(file: string, work: () => Promise<T>): Promise<T> {
  await mkdir(dirname(file), { recursive: true });
  const holder = spawn('flock', [file, 'sh', '-c', 'echo held; exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  holder.stdin.on('error', () => undefined);
  await new Promise<void>((resolve, reject) => {
    holder.on('error', (error) => reject(new Error(`flock (Debian package util-linux) is needed: ${error.message}`)));
    holder.on('exit', (code) => reject(new Error(`flock could not lock ${file}: exit ${code}`)));
    holder.stdout.once('data', () => resolve());
  });
  try {
    return await work();
  } finally {
    holder.removeAllListeners('exit');
    const gone = new Promise((resolve) => holder.once('exit', resolve));
    holder.stdin.end();
    await gone;
  }
}
