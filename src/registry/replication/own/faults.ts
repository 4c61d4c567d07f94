import { Refusal } from '../../../domain/errors.ts';
import { isTransferError, TransferError, type TransferFault } from '../../../transfer/errors.ts';
import { StoreError } from '../../metadata/store.ts';

/** What this registry's own stores threw, said as a failed transfer: the rest of replication knows only those. */
export function ownFault(error: unknown, signal: AbortSignal): unknown {
  if (isTransferError(error)) return error;
  if (signal.aborted) return new TransferError('Cancelled', 'cancelled', { cause: error });
  if (error instanceof StoreError) {
    const fault: TransferFault = error.kind === 'full' ? 'QuotaExceeded' : 'ServerFailed';
    return new TransferError(fault, `this registry: ${error.message}`, { cause: error });
  }
  if (!(error instanceof Refusal)) return error;
  const fault = faults[error.code] ?? (error.status >= 500 || error.status === 429 ? 'ServerFailed' : 'Refused');
  return new TransferError(fault, `this registry: ${error.message}`, {
    status: error.status,
    codes: [error.code],
    cause: error,
  });
}

const faults: Readonly<Record<string, TransferFault>> = {
  DIGEST_INVALID: 'Corrupt',
  SIZE_INVALID: 'Corrupt',
  MANIFEST_INVALID: 'Invalid',
};
