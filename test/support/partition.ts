import { type Database, inTransaction } from '../../src/db/database.ts';
import { makePartition } from '../../src/db/queries/partitions.ts';

/** For tests that write records of a dataset before any merge has. */
export const partitionFor = ({ pool }: Pick<Database, 'pool'>, dataset: string): Promise<void> =>
  inTransaction(pool, (client) => makePartition(client, dataset));
