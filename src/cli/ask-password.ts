import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { UsageError } from '../domain/errors.ts';

/** Asks for a password twice on a terminal, without showing it; reads it from stdin, to its first line's end, otherwise. */
export async function askPassword(): Promise<string> {
  if (!process.stdin.isTTY) return (await text(process.stdin)).split(/\r?\n/, 1)[0] ?? '';
  const password = await askHidden('Password: ');
  if ((await askHidden('Once more: ')) === password) return password;
  throw new UsageError('The two passwords are not the same. Nothing was made; try again.', {
    code: 'passwords-differ',
  });
}

/** A line of the terminal. readline shows what it edits, so it is given nowhere to show it. */
async function askHidden(question: string): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true, historySize: 0 });
  process.stderr.write(question);
  lines.on('SIGINT', () => process.exit(130));
  try {
    const [line] = (await Promise.race([once(lines, 'line'), once(lines, 'close').then(() => [''])])) as [string];
    return line;
  } finally {
    lines.close();
    process.stderr.write('\n');
  }
}
