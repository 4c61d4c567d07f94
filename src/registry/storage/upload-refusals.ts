import { Refusal } from '../../domain/errors.ts';

export function unknownUpload(id: string): Refusal {
  return new Refusal('BLOB_UPLOAD_UNKNOWN', `there is no upload ${id} (any more); begin a new one`);
}

export function busyUpload(id: string): Refusal {
  const message = `another request is writing to upload ${id}; wait for it, then ask where the upload stands`;
  return new Refusal('BLOB_UPLOAD_INVALID', message, { status: 409 });
}
