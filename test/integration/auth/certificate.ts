import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** Writes a fresh self-signed certificate for 127.0.0.1 and its key to `tls.crt` and `tls.key`, with OpenSSL. */
export function writeCertificate(folder: string, commonName: string): void {
  const files = ['-keyout', join(folder, 'tls.key'), '-out', join(folder, 'tls.crt')];
  const subject = ['-subj', `/CN=${commonName}`, '-addext', 'subjectAltName=IP:127.0.0.1'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  execFileSync('openssl', ['req', '-x509', ...key, ...files, ...subject], { stdio: 'ignore' });
}
