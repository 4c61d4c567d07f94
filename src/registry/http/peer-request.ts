import { peerTags } from '../replication/peer-list.ts';
import type { Exchange } from './exchange.ts';

/** Whether another registry of this project asks, and not any client. */
export function wantsPeerTags({ request }: Exchange): boolean {
  return request.headers.accept?.includes(peerTags) ?? false;
}
