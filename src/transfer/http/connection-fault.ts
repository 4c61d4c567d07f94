import { type Advice, commandLineAdvice } from '../advice.ts';
import { isTransferError, TransferError } from '../errors.ts';

const untrusted = /^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_|ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH)/;
const noTls = /^(EPROTO|ERR_SSL_)/;
const advice: Readonly<Record<string, string>> = {
  ENOTFOUND: 'no such host name; check its spelling and the DNS',
  EAI_AGAIN: 'the name could not be resolved; check the network and the DNS',
  ECONNREFUSED: 'nothing listens there; check the address and the port',
  EHOSTUNREACH: 'no route to the host; check the network',
  ENETUNREACH: 'no route to the network; check the network',
  ETIMEDOUT: 'no answer in time; check the address and any firewall or proxy',
};

/** Turns what node:http, node:tls or a stream threw into a TransferError that says what to do. */
export function connectionFault(error: unknown, url: URL, advise: Advice = commandLineAdvice): TransferError {
  if (isTransferError(error)) return error;
  const code = codeOf(error);
  const text = error instanceof Error ? error.message : String(error);
  if (untrusted.test(code)) {
    return new TransferError(
      'Untrusted',
      `${url.host}: its certificate is not trusted (${text}); ${advise.trust(url.host)}`,
      { cause: error },
    );
  }
  if (noTls.test(code) && url.protocol === 'https:') {
    return new TransferError(
      'Untrusted',
      `${url.host}: does not speak TLS as expected (${code}); ${advise.plainHttp(url.host)}`,
      { cause: error },
    );
  }
  const hint = advice[code];
  if (hint !== undefined) return new TransferError('Unreachable', `${url.host}: ${hint}`, { cause: error });
  return new TransferError('Interrupted', `${url.host}: the connection was cut (${code === '' ? text : code})`, {
    cause: error,
  });
}

/** The system's error code, also when several addresses were tried (AggregateError). */
function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  const { code, errors } = error as { code?: unknown; errors?: unknown };
  if (typeof code === 'string') return code;
  return Array.isArray(errors) ? codeOf(errors[0]) : '';
}
