import { openCluster } from './cluster.ts';
import { keepServer } from './keep-server.ts';

// The program of the keeper process; see keep-server.ts for what its arguments mean.
const [, , dataDirectory, servesSince] = process.argv;
if (dataDirectory !== undefined) await keepServer(await openCluster(dataDirectory), Number(servesSince));
