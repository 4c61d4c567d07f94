import { startServer } from '../server.ts';
import { inUseContract } from './in-use.contract.ts';

inUseContract(startServer);
