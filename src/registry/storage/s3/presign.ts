import type {
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';

type Buildable = GetObjectCommand | HeadObjectCommand | PutObjectCommand | UploadPartCommand;

/** A request as the SDK builds it. */
export interface SdkRequest {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly query?: Record<string, string | string[] | null>;
  readonly headers: Record<string, string>;
}

/** Builds the request as the SDK would send it; only signing and sending are left out. */
export async function built(client: S3Client, command: Buildable): Promise<SdkRequest> {
  let request: SdkRequest | undefined;
  const capture = () => async (args: { request: unknown }) => {
    request = args.request as SdkRequest;
    return { response: undefined, output: { $metadata: {} } };
  };
  (command as unknown as Interruptible).middlewareStack.add(capture, {
    step: 'build',
    priority: 'low',
    name: 'onlyBuilt',
  });
  await client.send(command as GetObjectCommand);
  if (request === undefined) throw new Error('the SDK built no request');
  return request;
}

/** Value of `host`. */
export function hostOf({ hostname, port }: SdkRequest): string {
  return port === undefined ? hostname : `${hostname}:${port}`;
}

/** The SDK's own signer, and what it is to be told: the region, and the time as the bucket's clock has it. */
export async function signerOf(client: S3Client): Promise<{ signer: Signer; region: string; now: Date }> {
  const { signer, systemClockOffset = 0 } = client.config as unknown as Configuration;
  return {
    signer: await signer(),
    region: await client.config.region(),
    now: new Date(Date.now() + systemClockOffset),
  };
}

/**
 * The URL of a request with the signature in its query.
 * @param seconds how long it holds
 */
export async function presign(
  client: S3Client,
  command: GetObjectCommand | HeadObjectCommand,
  seconds: number,
): Promise<string> {
  const request = await built(client, command);
  // What is signed has to be sent by whoever uses the URL: the address alone.
  const bare = {
    ...request,
    headers: { host: hostOf(request), 'X-Amz-Content-Sha256': 'UNSIGNED-PAYLOAD' },
    query: Object.fromEntries(Object.entries(request.query ?? {}).filter(([name]) => name !== 'x-id')),
  };
  const { signer, region } = await signerOf(client);
  const signed = await signer.presign(bare, { expiresIn: seconds, signingRegion: region, signingService: 's3' });
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(signed.query ?? {})) query.append(name, String(value));
  return `${signed.protocol}//${hostOf(signed)}${signed.path}?${query}`;
}

interface Interruptible {
  readonly middlewareStack: { add(middleware: unknown, options: object): void };
}

interface Configuration {
  readonly signer: () => Promise<Signer>;
  /** What the SDK learnt from answers, milliseconds. */
  readonly systemClockOffset?: number;
}

interface Signer {
  presign(request: SdkRequest, options: object): Promise<SdkRequest>;
  sign(request: SdkRequest, options: object): Promise<SdkRequest>;
}
