import { expect, it } from 'vitest';
import { newestRunToResume } from '../../src/db/queries/run-to-resume.ts';
import { setUpRun } from './setup.ts';

it('is one that has not ended, or lacks something that no later run has brought', async () => {
  const { database, run } = await setUpRun();
  const { pool } = database;
  const found = async () => (await newestRunToResume(database))?.id;
  const become = (id: string, state: string, proof: object | null = null) =>
    pool.query(`update sheaf.runs set state = $2, proof = $3, finished_at = now() where id = $1`, [id, state, proof]);
  const follow = (id: string, request: object) =>
    pool.query(
      `insert into sheaf.runs (id, dataset, request, entity, source_url, strategy, span, page_size, sealed_at,
         slice_count, state, created_at, finished_at)
       select $1, dataset, request || $2::jsonb, entity, source_url, strategy, span, page_size, sealed_at, slice_count, 'complete',
              created_at + interval '1 hour', now() from sheaf.runs where id = $3`,
      [id, request, run],
    );

  expect(await found()).toBe(run);
  await become(run, 'partial', { holds: true, deletesWithheld: 'too many' });
  expect(await found()).toBeUndefined(); // going on changes nothing
  await become(run, 'failed', { holds: true }); // its files could not be written
  expect(await found()).toBe(run);
  await become(run, 'partial', { holds: false });
  expect(await found()).toBe(run);
  await follow('20260101-010000-bbbb', { filter: 'id gt 5' });
  expect(await found()).toBe(run); // it has not brought all
  await follow('20260101-010000-cccc', {});
  expect(await found()).toBeUndefined();
  await become(run, 'failed');
  expect(await found()).toBeUndefined();
  await become(run, 'complete', { holds: true });
  expect(await found()).toBeUndefined();
});
