/** Conditions that warn without making a Registry less than ready. Pure. */
import type { Report } from './admin-api.ts';
import type { Served } from './certificates.ts';
import { defaultSize, type VolumeClaim } from './children/volume-claim.ts';
import { describeBytes, parseBytes } from './quantity.ts';
import type { Site } from './site.ts';
import type { Warning } from './status.ts';

const defaultReserve = 64 * 1024 * 1024;

/** TLS that is off, or a certificate of the user's that clients will refuse. */
export function tlsWarnings(site: Site, served: Served | undefined): Warning[] {
  if (served === undefined) {
    const message =
      'spec.tls.disabled is true: passwords and images cross the network in the clear unless a proxy ends TLS';
    return [{ type: 'InsecureTransport', status: 'True', reason: 'TLSDisabled', message }];
  }
  const host = site.spec.host.split(':')[0] ?? '';
  if (!served.uncovered.includes(host)) return [];
  const message = `the certificate in Secret ${site.certificateSecret} is not for ${host}: clients that connect straight to the registry will refuse it`;
  return [{ type: 'CertificateMismatch', status: 'True', reason: 'HostNotCovered', message }];
}

/** A volume that is about to be lost, is being enlarged, or is nearly full. */
export function storageWarnings(site: Site, claim: VolumeClaim | undefined, report: Report | undefined): Warning[] {
  return [...leaving(claim), ...resizing(site, claim), ...low(site, report)];
}

/** Kubernetes keeps a claim that somebody deleted for as long as a pod mounts it: until the next restart all looks well. */
function leaving(claim: VolumeClaim | undefined): Warning[] {
  if (claim?.metadata.deletionTimestamp === undefined) return [];
  const { name } = claim.metadata;
  const message = `the volume claim ${name} was deleted and goes with the pod that still mounts it: before the pod ends, set persistentVolumeReclaimPolicy of its volume to Retain, or copy the images away (ne-cli copy)`;
  return [{ type: 'VolumeClaimDeleting', status: 'True', reason: 'WaitsForPod', message }];
}

function resizing(site: Site, claim: VolumeClaim | undefined): Warning[] {
  const capacity = claim?.status?.capacity?.storage;
  if (capacity === undefined || site.spec.storage?.filesystem?.existingClaim !== undefined) return [];
  const wanted = site.spec.storage?.filesystem?.size ?? defaultSize;
  if (parseBytes(capacity) >= parseBytes(wanted)) return [];
  const why = claim?.status?.conditions?.map(({ message }) => message).find((text) => text);
  const message = `the volume has ${capacity} and is to have ${wanted}${why === undefined ? '' : `: ${why}`}`;
  return [{ type: 'VolumeResizing', status: 'True', reason: 'Growing', message }];
}

function low(site: Site, report: Report | undefined): Warning[] {
  const free = report?.storage?.freeBytes;
  const reserve = site.spec.limits?.freeSpaceReserve;
  const kept = reserve === undefined ? defaultReserve : parseBytes(reserve);
  if (free === undefined || free > kept) return [];
  const message = `less than the reserve of ${describeBytes(kept)} is free: pushes are refused; raise spec.storage.filesystem.size`;
  return [{ type: 'StorageLow', status: 'True', reason: 'DiskFull', message }];
}
