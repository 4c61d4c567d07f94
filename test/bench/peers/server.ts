/** A server under test, with the content that the cases ask for. */
export interface Server {
  /** Name of its column: `ours`, `distribution`, `nginx`, … */
  readonly name: string;
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly tls: boolean;
  /** Value of Authorization, where it asks for one. */
  readonly authorization: string | undefined;
  pids(): number[];
  stop(): Promise<void>;
}

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

export function urlOf({ tls, host }: Pick<Server, 'tls' | 'host'>): string {
  return `${tls ? 'https' : 'http'}://${host}`;
}
