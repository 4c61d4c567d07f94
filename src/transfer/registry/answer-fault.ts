import { TransferError, type TransferFault } from '../errors.ts';
import { retryAfterMs } from '../http/retry.ts';
import { type Answer, readBody } from '../http/wire.ts';

interface ServerError {
  readonly code: string;
  readonly message: string;
}

const hints: Partial<Record<TransferFault, string>> = {
  Unauthorized: 'authentication required, or the credentials are wrong: run `ne-cli login`',
  Denied: 'you may not do that there',
  NotFound: 'not found',
  RateLimited: 'too many requests; try again later',
  ServerFailed: 'the server failed',
};

/** Reads a refusal and says it as a TransferError. `what` is the action in words: `read the manifest team/app:1.0`. */
export async function answerFault(answer: Answer, what: string): Promise<TransferError> {
  const errors = await serverErrors(answer);
  const fault = faultOf(answer.status);
  const said = errors.map(({ code, message }) => (message === '' ? code : `${code}: ${message}`)).join('; ');
  const why = [hints[fault] ?? `HTTP ${answer.status}`, said === '' ? undefined : `the server said ${said}`].filter(
    Boolean,
  );
  const wait = retryAfterMs(answer.headers['retry-after'], Date.now());
  return new TransferError(fault, `${answer.url.host}: cannot ${what}: ${why.join('; ')}`, {
    status: answer.status,
    codes: errors.map((error) => error.code),
    ...(wait === undefined ? {} : { retryAfterMs: wait }),
  });
}

/** Text of another server, fit for a terminal and a log: no control characters, at most 300 characters. */
export function printable(text: string): string {
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, ' ').trim();
  return clean.length <= 300 ? clean : `${clean.slice(0, 297)}...`;
}

function faultOf(status: number): TransferFault {
  if (status === 401) return 'Unauthorized';
  if (status === 403) return 'Denied';
  if (status === 404) return 'NotFound';
  if (status === 429) return 'RateLimited';
  if (status === 408) return 'Interrupted';
  return status >= 500 ? 'ServerFailed' : 'Refused';
}

async function serverErrors(answer: Answer): Promise<ServerError[]> {
  try {
    const body: unknown = JSON.parse((await readBody(answer, 65_536)).toString('utf8'));
    const list = (body as { errors?: unknown }).errors;
    if (!Array.isArray(list)) return [];
    return list.slice(0, 5).map((entry) => ({
      code: printable(String((entry as ServerError).code ?? 'UNKNOWN')),
      message: printable(String((entry as ServerError).message ?? '')),
    }));
  } catch {
    return [];
  }
}
