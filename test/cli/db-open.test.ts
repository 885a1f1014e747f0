import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { start } from '../support/command.ts';

import { setUp } from './setup.ts';

describe('sheaf db open', () => {
  it('keeps the database open, with nothing else to do, until it is told to stop', async () => {
    const { environment, databaseUrl } = await setUp([]);
    const opened = start(['db', 'open'], environment);
    await opened.says(/stays open until Ctrl-C/);
    await sleep(12_000); // longer than any idle connection is kept
    expect(opened.process.exitCode).toBeNull();
    opened.process.kill('SIGINT');
    expect(await opened.finished).toMatchObject({ code: 0, stdout: `${databaseUrl}\n` });
  });
});
