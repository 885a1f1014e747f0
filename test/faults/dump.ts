import { openQueues } from '../../src/queues/queues.ts';
import type { Bench } from './bench.ts';

/** All that may explain a failure: the ledger, the queues, and the last words of every process. */
export async function dump(bench: Bench): Promise<string> {
  const parts: string[] = [];
  for (const [name, text] of Object.entries(QUERIES)) {
    const rows = await bench.ledger.look(text);
    parts.push(
      `${name}: ${rows === null ? 'PostgreSQL does not answer' : rows.map((row) => `\n  ${JSON.stringify(row)}`).join('')}`,
    );
  }
  parts.push(`queues: ${await queueCounts(bench)}`);
  for (const process of [...bench.fleet.processes, ...bench.commands]) {
    const ending = process.ending();
    const state = ending === undefined ? 'running' : `ended with ${ending.signal ?? ending.code}`;
    parts.push(`${process.name} (pid ${process.pid}, ${state}):\n  ${process.lines.slice(-12).join('\n  ')}`);
  }
  return parts.join('\n');
}

const QUERIES = {
  runs: `select id, state, reason, generation, attempt, merged_generation, finaliser, slice_count, strategy, span, expected,
                sealed_at is not null as sealed, proof from sheaf.runs order by created_at`,
  slices: `select run_id, state, count(*)::int, min(number) as first, sum(records)::int as records, max(failures) as failures,
                  max(error::text) as error from sheaf.slices group by 1, 2 order by 1, 2`,
  'open slices': `select number, state, attempt, failures, worker_id, cursor, span, now() - updated_at as for
                  from sheaf.slices where state in ('pending', 'working') limit 12`,
  workers: `select id, pid, sheaf.worker_is_alive(id) as alive, now() - heartbeat_at as beat_ago, stopped_at from sheaf.workers`,
  gates: 'select *, now() as looked_at from sheaf.gates',
  moves:
    'select n, run, was, state, generation, attempt, is_merge, open_slices, finaliser from faults.run_log order by n',
};

async function queueCounts(bench: Bench): Promise<string> {
  const installation = await bench.ledger.look<{ id: string }>('select id from sheaf.installation');
  const queues = openQueues({
    databaseUrl: bench.databaseUrl,
    redisUrl: bench.scenario.engine === 'redis' ? bench.lane.redis?.url : undefined,
    installation: installation?.[0]?.id ?? '',
    onError: () => undefined,
  });
  try {
    return JSON.stringify([await queues.counts('sheaf-slices'), await queues.counts('sheaf-finalise')]);
  } catch (error) {
    return String(error);
  } finally {
    await queues.close().catch(() => undefined);
  }
}
