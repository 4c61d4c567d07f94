import type { GetObjectCommand, HeadObjectCommand, S3Client } from '@aws-sdk/client-s3';

interface Request {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  query?: Record<string, string | string[] | null>;
  headers: Record<string, string>;
}

/**
 * The URL of a request with the signature in its query. The SDK builds the request as it would to send it, and its own
 * signer signs; only the sending is left out.
 * @param seconds how long it holds
 */
export async function presign(
  client: S3Client,
  command: GetObjectCommand | HeadObjectCommand,
  seconds: number,
): Promise<string> {
  let built: Request | undefined;
  const capture = () => async (args: { request: unknown }) => {
    built = args.request as Request;
    return { response: undefined, output: { $metadata: {} } };
  };
  (command as unknown as Interruptible).middlewareStack.add(capture, {
    step: 'build',
    priority: 'low',
    name: 'onlySigned',
  });
  await client.send(command as GetObjectCommand);
  if (built === undefined) throw new Error('the SDK built no request');
  // What is signed has to be sent by whoever uses the URL: the address alone.
  const port = built.port === undefined ? '' : `:${built.port}`;
  built.headers = { host: built.hostname + port, 'X-Amz-Content-Sha256': 'UNSIGNED-PAYLOAD' };
  built.query = Object.fromEntries(Object.entries(built.query ?? {}).filter(([name]) => name !== 'x-id'));
  const { signer } = client.config as unknown as { signer: () => Promise<Presigner> };
  const signed = (await (
    await signer()
  ).presign(built, {
    expiresIn: seconds,
    signingRegion: await client.config.region(),
    signingService: 's3',
  })) as Request;
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(signed.query ?? {})) query.append(name, String(value));
  return `${signed.protocol}//${signed.hostname}${port}${signed.path}?${query}`;
}

interface Interruptible {
  readonly middlewareStack: { add(middleware: unknown, options: object): void };
}

interface Presigner {
  presign(request: unknown, options: object): Promise<unknown>;
}
