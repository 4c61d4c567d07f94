import { request as plainRequest, type RequestOptions } from 'node:http';
import { request as tlsRequest } from 'node:https';
import type { Server } from './server.ts';

export interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: Buffer;
}

export type Asked = Pick<Server, 'host' | 'tls' | 'authorization'>;

export interface Question {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: Buffer;
}

/** One request to a server under test. The certificate was made for this run and is not checked. */
export function ask(server: Asked, path: string, question: Question = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(`http://${server.host}`);
    const authorization = server.authorization === undefined ? {} : { authorization: server.authorization };
    const length = question.body === undefined ? {} : { 'content-length': String(question.body.length) };
    const options: RequestOptions & { rejectUnauthorized?: boolean } = {
      hostname,
      port,
      path,
      method: question.method ?? 'GET',
      headers: { ...authorization, ...length, ...question.headers },
      agent: false,
      ...(server.tls && { rejectUnauthorized: false }),
    };
    const request = (server.tls ? tlsRequest : plainRequest)(options, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts) }),
      );
      response.once('error', reject);
    });
    request.once('error', reject);
    request.end(question.body);
  });
}

/** Whether a server answers at all, whatever it says. */
export async function answers(server: Asked): Promise<boolean> {
  return await ask(server, '/v2/').then(
    ({ status }) => status < 500,
    () => false,
  );
}
