/** The command line of `ne-registry node-agent`. */
import { parseArgs } from 'node:util';
import { Fatal, messageOf } from '../platform/fatal.ts';
import type { NodeAgentOptions } from './run.ts';

/** Throws Fatal, exit code `usage`, for a command line that is not right. The node's address comes in `NODE_IP`. */
export function parseNodeAgentArguments(args: readonly string[], env: NodeJS.ProcessEnv): NodeAgentOptions {
  const values = parsed(args);
  const { owner, directory, server } = values;
  if (owner === undefined || directory === undefined || server === undefined) {
    throw new Fatal('node-agent needs --owner NAMESPACE/NAME, --directory DIR and --server URL', { exit: 'usage' });
  }
  const nodePort = values['node-port'];
  return {
    owner,
    directory,
    server,
    nodeAddress: env.NODE_IP,
    nodePort: nodePort === undefined ? undefined : Number(nodePort),
    caFile: values.ca,
    listen: values.listen ?? ':8081',
    remove: values.remove ?? false,
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        owner: { type: 'string' },
        directory: { type: 'string' },
        server: { type: 'string' },
        'node-port': { type: 'string' },
        ca: { type: 'string' },
        listen: { type: 'string' },
        remove: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    throw new Fatal(`node-agent: ${messageOf(error)}`, { exit: 'usage', cause: error });
  }
}
