/** `ne-cli retention plan` over a million images as describe-images prints them stays within 300 MB. The time is told, and not judged. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

const folder = mkdtempSync(join(tmpdir(), 'ne-retention-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const program = join(import.meta.dirname, '../../../bin/ne-cli.js');
const count = 1_000_000;
const began = Date.parse('2026-01-01T00:00:00Z');

test('a plan over a file of a million images', async (context) => {
  const images = join(folder, 'images.json');
  writeImages(images);
  const policy = join(folder, 'policy.json');
  writeFileSync(policy, JSON.stringify({ rules: [rule(1, 'untagged', 1000), rule(2, 'any', 10_000)] }));
  const plan = join(folder, 'plan.json');
  const start = performance.now();
  const { code, peak } = await run(['--policy', policy, '--images', images, '--now', '2026-02-01T00:00:00Z'], plan);
  context.diagnostic(`${((performance.now() - start) / 1000).toFixed(1)} s, ${(peak / 1e6).toFixed(0)} MB`);
  assert.equal(code, 0);
  const end = readFileSync(plan).subarray(-100).toString();
  // 333,334 have no tags, of which a thousand stay; of the others, those stay that are among the newest ten thousand: 6,666.
  assert.match(end, /"summary":\{"expiringImageTotalCount":992334\}\}\n$/);
  assert.ok(peak > 1e8 && peak <= 3e8, `${peak} bytes were resident`);
});

function rule(rulePriority: number, tagStatus: string, countNumber: number): unknown {
  const selection = { tagStatus, countType: 'imageCountMoreThan', countNumber };
  return { rulePriority, selection, action: { type: 'expire' } };
}

function writeImages(path: string): void {
  const file = openSync(path, 'w');
  writeSync(file, '{"imageDetails":[');
  let text = '';
  for (let n = 0; n < count; n++) {
    const image = {
      registryId: '123456789012',
      repositoryName: 'shop/web',
      imageDigest: `sha256:${(Math.imul(n + 1, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0').repeat(8)}`,
      imageTags: n % 3 === 0 ? [] : [`v${n}`, `build-${n % 1000}-${n}`],
      imageSizeInBytes: 1000 + n,
      imagePushedAt: new Date(began + n * 1000).toISOString(),
      imageManifestMediaType: 'application/vnd.oci.image.manifest.v1+json',
      lastRecordedPullTime: new Date(began + n * 1500).toISOString(),
    };
    text += `${n === 0 ? '' : ','}\n${JSON.stringify(image)}`;
    if (text.length < 1_000_000) continue;
    writeSync(file, text);
    text = '';
  }
  writeSync(file, `${text}]}\n`);
  closeSync(file);
}

/** Its output goes to a file: it is longer than one wants to hold. */
async function run(args: readonly string[], output: string): Promise<{ code: number | null; peak: number }> {
  const stdout = openSync(output, 'w');
  const command = [program, 'retention', 'plan', ...args, '--output', 'json'];
  const child = spawn(process.execPath, command, { stdio: ['ignore', stdout, 'inherit'] });
  let peak = 0;
  const watch = setInterval(() => {
    peak = Math.max(peak, highWater(child.pid));
  }, 20);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearInterval(watch);
  closeSync(stdout);
  return { code, peak };
}

function highWater(pid: number | undefined): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
