import type { Bench } from './bench.ts';
import type { Server } from './peers/server.ts';
import { cpuSeconds, forgetPeak, pause, peakBytes } from './process.ts';
import {
  type Burst,
  type CaseDescription,
  type CaseResult,
  judge,
  type Measurement,
  type Sample,
  type Unit,
} from './result.ts';
import { median } from './statistics.ts';

/** A server, and how it is loaded for this many seconds. */
export interface Contender {
  readonly server: Server;
  readonly burst: (seconds: number) => Promise<Burst>;
}

/** The first contender is ours. Bursts take turns, each server alone while it is measured. */
export async function measure(
  bench: Bench,
  description: CaseDescription & { readonly warmUp?: boolean },
  contenders: readonly Contender[],
): Promise<CaseResult> {
  const { warmUp = true, ...plain } = description;
  if (warmUp) for (const { burst } of contenders) await burst(1);
  const samples = contenders.map((): Sample[] => []);
  for (let round = 0; round < bench.rounds; round++) {
    for (const [index, contender] of contenders.entries()) {
      await pause(100);
      samples[index]?.push(await observed(contender, plain.unit, bench.seconds));
    }
  }
  const measurements: Measurement[] = contenders.map(({ server }, index) => ({
    server: server.name,
    samples: samples[index] ?? [],
  }));
  const result = judge(plain, measurements);
  bench.say(summary(result));
  return result;
}

async function observed({ server, burst }: Contender, unit: Unit, seconds: number): Promise<Sample> {
  const pids = server.pids();
  forgetPeak(pids);
  const before = cpuSeconds(pids);
  const result = await burst(seconds);
  const cpu = cpuSeconds(pids) - before;
  // Of large blobs a burst ends few, and many are under way: what was carried is counted.
  const amount = unit === 'MB/s' ? result.value * result.seconds : result.requests;
  const cpuMicros = (cpu / Math.max(1, amount)) * 1e6;
  return { ...result, ...(unit === 'req/cpu-s' && { value: 1e6 / cpuMicros }), cpuMicros, peakBytes: peakBytes(pids) };
}

function summary({ id, unit, measurements, checks }: CaseResult): string {
  const values = measurements.map(({ server, samples }) => {
    const value = median(samples.map((sample) => sample.value));
    const cpu = median(samples.map(({ cpuMicros }) => cpuMicros));
    return `${server} ${value.toPrecision(4)} ${unit} (${cpu.toPrecision(3)} µs cpu ${unit === 'MB/s' ? 'a MB' : 'each'})`;
  });
  const verdicts = checks.map(({ of, value, verdict }) => `${of} ${value.toPrecision(3)} ${verdict}`);
  return `${id}: ${values.join(', ')}; ${verdicts.join(', ')}`;
}
