// The upstream of the bench, in a process of its own: `node bench/upstream.ts <rows> <latency> [request log]`. Its parent
// tells it which edition of the data to serve.
import { startTwin } from '../src/twin/start-twin.ts';
import { type Edition, editions, makeEditions } from './records.ts';

const [rows = '', latency = '0', requestLogFile = ''] = process.argv.slice(2);

const datasets = makeEditions(Number(rows));
/** What is asked of the twin once for all: a server in truth has an index, and this one sorts when it is first asked. */
const QUESTION = 'Sag?$orderby=opdateringsdato%20desc&$top=1';

const twin = await startTwin({
  dataset: datasets.first,
  latencyMs: Number(latency),
  ...(requestLogFile === '' ? {} : { requestLogFile }),
});
for (const edition of editions.toReversed()) {
  twin.replaceWith(datasets[edition]);
  await (await fetch(twin.url + QUESTION)).text();
}
process.on('message', (edition: Edition) => {
  twin.replaceWith(datasets[edition]);
  process.send?.(edition);
});
process.once('disconnect', () => process.exit());
process.send?.(twin.url);
