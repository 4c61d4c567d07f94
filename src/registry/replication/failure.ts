import { isTransferError, type TransferError } from '../../transfer/errors.ts';
import { StoreError } from '../metadata/store.ts';
import type { Failure } from './pending.ts';

/** What people and programs are told of a failure. @param now milliseconds since the epoch */
export function failureOf(error: unknown, now: number): Failure {
  const message = error instanceof Error ? error.message : String(error);
  if (isTransferError(error)) return { reason: reasonOf(error), message, at: now, course: error.course };
  return { reason: error instanceof StoreError ? 'StoreFailed' : 'Failed', message, at: now, course: 'retry' };
}

/** `TargetUnreachable`, `SourceUnauthorized`, `Corrupt`. */
export function reasonOf({ fault, side }: TransferError): string {
  if (side === undefined || fault === 'Corrupt' || fault === 'Cancelled') return fault;
  return `${side === 'source' ? 'Source' : 'Target'}${fault}`;
}
