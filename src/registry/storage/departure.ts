/** A client that has not taken a buffer after this time is slow, milliseconds. */
export const PATIENCE = 200;

export function gone(): Error {
  return Object.assign(new Error('the client went away'), { code: 'ERR_STREAM_PREMATURE_CLOSE' });
}
