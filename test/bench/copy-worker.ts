/** Copies what it is told to, line by line `FROM TO REPOSITORY`: the engine in a process that is up, as in a registry's pod. */
import { createInterface } from 'node:readline';
import { BlobLedger } from '../../src/transfer/copy/blob-ledger.ts';
import { bounded } from '../../src/transfer/copy/bounded.ts';
import { copyImage } from '../../src/transfer/copy/copy-image.ts';
import { RegistryImage } from '../../src/transfer/image/registry-image.ts';
import { RegistryClient } from '../../src/transfer/registry/client.ts';
import { Hosts } from '../../src/transfer/registry/hosts.ts';
import { readTags } from '../../src/transfer/registry/listing.ts';

const signal = new AbortController().signal;
const credentials = async () => undefined;

for await (const line of createInterface({ input: process.stdin })) {
  const [from = '', to = '', repository = ''] = line.split(' ');
  const hosts = new Hosts({ transfers: 6 });
  const client = (host: string) => new RegistryClient(host, { credentials, hosts, trust: () => ({ plainHttp: true }) });
  const reader = client(from);
  const source = new RegistryImage(reader, repository);
  const target = new RegistryImage(client(to), repository);
  const ledger = new BlobLedger();
  const { tags } = await readTags(reader, repository, signal);
  await bounded(tags, 4, signal, async (tag, both) => {
    await copyImage({ source, target, image: tag, tag, ledger, signal: both });
  });
  hosts.close();
  console.log(tags.length);
}
