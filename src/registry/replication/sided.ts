import { isTransferError, type Side } from '../../transfer/errors.ts';

/** Notes in what `work` throws which end of a copy failed. */
export async function sided<T>(side: Side, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw isTransferError(error) ? error.on(side) : error;
  }
}
