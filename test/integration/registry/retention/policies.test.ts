import { startServer } from '../server.ts';
import { policiesContract } from './policies.contract.ts';

policiesContract(startServer);
