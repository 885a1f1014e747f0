import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { listSlices } from '../../src/db/queries/slices.ts';
import { stagingTable } from '../../src/db/queries/staging.ts';
import { findRun } from '../../src/runtime/inspect.ts';
import { finaliseRun } from '../../src/workers/finalise-run.ts';
import type { WorkContext } from '../../src/workers/work-context.ts';
import type { Fleet } from '../support/fleet.ts';
import { tableContent } from '../support/independent.ts';
import { countsOf, expectCopy, launch, setUp, whenFetched } from '../support/living-source.ts';
import { range } from '../support/rows.ts';

describe('a finaliser that dies', () => {
  /** The store breaks off the first statement of this kind, as it does when it is shut down. */
  const breakOnce = (fleet: Fleet, when: string, condition: string) =>
    fleet.context.database.pool.query(
      `create sequence public.times;
       create function public.break_off() returns trigger language plpgsql as $$
       begin
         if ${condition} and nextval('public.times') = 1 then
           raise exception 'shut down' using errcode = '57P01';
         end if;
         return new;
       end $$;
       create trigger break_off ${when} for each row execute function public.break_off()`,
    );

  /** Has a worker fetch the run, and leave its finalisation: it was planned elsewhere, as far as the worker can tell. Returns its number. */
  const fetchOnly = async (fleet: Fleet, run: string): Promise<number> => {
    const { pool } = fleet.context.database;
    await pool.query(`create function public.elsewhere() returns trigger language plpgsql as $$
      begin
        if old.state = 'fetching' and new.state = 'finalising' then new.source_url = 'http://elsewhere/'; end if;
        return new;
      end $$;
      create trigger elsewhere before update on sheaf.runs for each row execute function public.elsewhere()`);
    const worker = await fleet.startWorker();
    await expect.poll(async () => (await findRun(fleet.context, run)).state).toBe('finalising');
    await worker.stop();
    await pool.query(`drop trigger elsewhere on sheaf.runs; update sheaf.runs set source_url = '${fleet.twin.url}'`);
    const { rows } = await pool.query<{ id: number }>('select max(id) as id from sheaf.workers');
    return rows[0]?.id ?? 0;
  };

  it('while it sends slices back has sent none back', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 900) });
    const run = await launch(fleet);
    await breakOnce(fleet, 'before insert on sheaf.slices', 'true');
    whenFetched(fleet, (time) => {
      if (time > 1) return;
      source.remove(5);
      source.put(901);
    });
    await fleet.startWorker();
    await expectCopy(fleet, await fleet.ended(run), source.content());
    expect(await findRun(fleet.context, run)).toMatchObject({ rereads: 1, rereadSlices: 1, sliceCount: 10 });
  });

  it('when it has sent slices back, and enqueued none, is followed by the reconciler', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 900) });
    const { pool } = fleet.context.database;
    const run = await launch(fleet);
    const workerId = await fetchOnly(fleet, run);
    source.remove(5);
    source.put(901);

    const add = () => Promise.reject(Object.assign(new Error('the process is gone'), { code: 'ECONNRESET' }));
    const dying = { ...fleet.context, queues: { ...fleet.context.queues, add }, workerId };
    await expect(finaliseRun(dying, { run, generation: 1 })).rejects.toThrow('the process is gone');
    const pending = await listSlices(fleet.context.database, run, ['pending']);
    expect([(await findRun(fleet.context, run)).state, pending.length]).toEqual(['fetching', 2]);

    await pool.query(`update sheaf.slices set updated_at = now() - interval '1 minute' where state = 'pending'`);
    await fleet.startWorker();
    await expectCopy(fleet, await fleet.ended(run), source.content());
  });

  it('or has lost its claim while it asked the source, leaves the files of the one that has it alone', async () => {
    const { fleet } = await setUp({ ids: range(1, 300) });
    const { pool } = fleet.context.database;
    const run = await launch(fleet);
    const workerId = await fetchOnly(fleet, run);
    const directory = join(fleet.out, 'oda-Afstemning', run);
    const others = ['.oda-Afstemning.ndjson.0123456789ab.sheaf-tmp'];
    const overtake = async () => {
      await mkdir(directory, { recursive: true });
      await writeFile(join(directory, others[0] ?? ''), 'under way');
      await pool.query('update sheaf.runs set attempt = attempt + 1');
    };
    const overtaken: WorkContext = {
      ...fleet.context,
      workerId,
      reach: (name) => {
        const { source, fetch } = fleet.context.reach(name);
        const late: typeof fetch = async (...question) => {
          await overtake();
          return fetch(...question);
        };
        return { source, fetch: late };
      },
    };
    expect(await finaliseRun(overtaken, { run, generation: 1 })).toBe('another finaliser has taken over');
    expect(await readdir(directory)).toEqual(others);
  });

  it('or has lost its claim before it began its files, leaves those of the one that has it alone', async () => {
    const { fleet } = await setUp({ ids: range(1, 300) });
    const { pool } = fleet.context.database;
    const run = await launch(fleet, { onDrift: 'fail' });
    const workerId = await fetchOnly(fleet, run);
    const directory = join(fleet.out, 'oda-Afstemning', run);
    const others = ['.oda-Afstemning.ndjson.0123456789ab.sheaf-tmp'];
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, others[0] ?? ''), 'under way');
    // Holds the finaliser up between its claim and its files, where it looks for drift.
    const holder = await pool.connect();
    onTestFinished(() => holder.release(true));
    await holder.query('begin; lock table sheaf.drift in access exclusive mode');
    const finalising = finaliseRun({ ...fleet.context, workerId }, { run, generation: 1 });
    const held = `select count(*)::int as count from pg_stat_activity where wait_event_type = 'Lock' and query ilike '%sheaf.drift%'`;
    await expect.poll(async () => (await pool.query(held)).rows[0].count).toBe(1);
    await pool.query('update sheaf.runs set attempt = attempt + 1');
    await holder.query('rollback');
    expect(await finalising).toBe('another finaliser has taken over');
    expect(await readdir(directory)).toEqual(others);
  });

  /** A context in which what is staged goes, as in a crash of PostgreSQL, when it has been counted and the source is asked. */
  const emptying = (fleet: Fleet, run: string, workerId: number): WorkContext => {
    const { database, reach } = fleet.context;
    const counted = Promise.withResolvers<void>();
    const query = async (text: string, values?: unknown[]) => {
      const result = await database.pool.query(text, values);
      if (text.includes('count(distinct key)')) counted.resolve();
      return result;
    };
    const late: typeof reach = (name) => {
      const { source, fetch } = reach(name);
      const ask: typeof fetch = async (...question) => {
        await counted.promise;
        await database.pool.query(`truncate ${stagingTable(run)}`);
        return fetch(...question);
      };
      return { source, fetch: ask };
    };
    const pool = Object.assign(Object.create(database.pool), { query });
    return { ...fleet.context, workerId, database: { ...database, pool }, reach: late };
  };

  it('finds that what was verified is gone before the merge, and is followed by one that fetches it again', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 300) });
    const run = await launch(fleet, { formats: [] });
    const workerId = await fetchOnly(fleet, run);
    const finalising = finaliseRun(emptying(fleet, run, workerId), { run, generation: 1 });
    await expect(finalising).rejects.toThrow('is gone since it was verified');
    expect(await findRun(fleet.context, run)).toMatchObject({ state: 'finalising', finaliser: null });
    await fleet.startWorker();
    expect(await fleet.ended(run)).toMatchObject({ state: 'complete', inserted: 300 });
    expect(await tableContent(fleet.context.database.url, 'oda/Afstemning')).toEqual(source.content());
  });

  it('publishes no files that lack what was verified, where nothing is merged', async () => {
    const { fleet } = await setUp({ ids: range(1, 300) });
    const run = await launch(fleet, { select: ['nummer'] });
    const workerId = await fetchOnly(fleet, run);
    const { pool } = fleet.context.database;
    // The files come later than the counts: the source has kept silent before.
    await pool.query(`update sheaf.runs set unanswered_since = now()`);
    const finalising = finaliseRun(emptying(fleet, run, workerId), { run, generation: 1 });
    await expect(finalising).rejects.toThrow('is gone since it was verified');
    expect(await readdir(join(fleet.out, 'oda-Afstemning', run))).toEqual([]);
  });

  it('after the merge, with what was staged lost as well, is followed by one that merges what it fetches', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 300) });
    const run = await launch(fleet);
    await breakOnce(fleet, 'before update on sheaf.runs', `new.state in ('complete', 'partial')`);
    let emptied: Promise<unknown> | undefined;
    fleet.context.telemetry.on('finalise.step', ({ step }) => {
      if (step !== 'merge' || emptied !== undefined) return;
      source.put(...range(301, 310));
      emptied = fleet.context.database.pool.query(`truncate ${stagingTable(run)}`);
    });
    await fleet.startWorker();
    await expectCopy(fleet, await fleet.ended(run), source.content());
    await emptied;
  });

  it('after the merge leaves what it proved to the next one, which publishes that', async () => {
    const { fleet, source } = await setUp({ ids: range(1, 300) });
    const run = await launch(fleet);
    const wanted = source.content();
    await breakOnce(fleet, 'before update on sheaf.runs', `new.state in ('complete', 'partial')`);
    fleet.context.telemetry.on('finalise.step', ({ step }) => {
      if (step !== 'merge') return;
      source.put(...range(301, 310));
      source.remove(1);
    });
    await fleet.startWorker();
    const report = await fleet.ended(run);
    await expectCopy(fleet, report, wanted);
    expect(report.inserted).toBe(300);
    expect(countsOf(fleet)).toBe(1);
  });
});
