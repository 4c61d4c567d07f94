import { type Advice, commandLineAdvice } from '../advice.ts';
import { TransferError, type TransferFault } from '../errors.ts';
import { retryAfterMs } from '../http/retry.ts';
import { type AnyAnswer, readBody } from '../http/wire.ts';

interface ServerError {
  readonly code: string;
  readonly message: string;
}

const hints: Partial<Record<TransferFault, string>> = {
  Denied: 'you may not do that there',
  NotFound: 'not found',
  RateLimited: 'too many requests; try again later',
  ServerFailed: 'the server failed',
  QuotaExceeded: 'there is no room left: raise the quota there, or free space',
  Conflict: 'something else was written there at the same moment',
};

/** Reads a refusal and says it as a TransferError. `what` is the action in words: `read the manifest team/app:1.0`. */
export async function answerFault(
  answer: AnyAnswer,
  what: string,
  advise: Advice = commandLineAdvice,
): Promise<TransferError> {
  const errors = await serverErrors(answer);
  const fault = faultOf(answer.status, errors);
  const said = errors.map(({ code, message }) => (message === '' ? code : `${code}: ${message}`)).join('; ');
  const hint =
    fault === 'Unauthorized'
      ? `authentication required, or the credentials are wrong: ${advise.login(answer.url.host)}`
      : hints[fault];
  const why = [hint ?? `HTTP ${answer.status}`, said === '' ? undefined : `the server said ${said}`].filter(Boolean);
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

/** Harbor and Quay say 403, GitLab 400, a full disk is mostly a 500: their own words tell. */
const noRoom = /quota|storage (limit|resource)|no space left|insufficient storage|disk (is )?full/i;

function faultOf(status: number, errors: readonly ServerError[]): TransferFault {
  const said = errors.some(({ code, message }) => noRoom.test(`${code.replaceAll('_', ' ')} ${message}`));
  if (status === 507 || (said && status !== 401 && status !== 404 && status !== 429)) return 'QuotaExceeded';
  return faults[status] ?? (status >= 500 ? 'ServerFailed' : 'Refused');
}

const faults: Readonly<Record<number, TransferFault>> = {
  401: 'Unauthorized',
  403: 'Denied',
  404: 'NotFound',
  408: 'Interrupted',
  409: 'Conflict',
  412: 'Conflict',
  429: 'RateLimited',
};

async function serverErrors(answer: AnyAnswer): Promise<ServerError[]> {
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
