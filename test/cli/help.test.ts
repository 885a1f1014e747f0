import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../../src/cli/main.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const program = await createProgram();

interface Ended {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line as a user does: a process of its own. */
function sheaf(...words: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(`${root}bin/sheaf`, words, { cwd: root }, (error, stdout, stderr) => {
      resolve({ exitCode: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

/** The names that lead to each command that does something: `['harvest']`, `['db', 'migrate']`. */
function leaves(command: Command, above: readonly string[] = []): string[][] {
  return command.commands.flatMap((each) => {
    const names = [...above, each.name()];
    return each.commands.length > 0 ? leaves(each, names) : [names];
  });
}

function find(names: readonly string[]): Command | undefined {
  return names.reduce<Command | undefined>(
    (command, name) => command?.commands.find((each) => each.name() === name),
    program,
  );
}

const commands = leaves(program).map((names) => names.join(' '));

describe('--help', () => {
  it('lists every command, and where to start', async () => {
    const { exitCode, stdout } = await sheaf('--help');
    expect(exitCode).toBe(0);
    for (const { name } of program.commands.map((each) => ({ name: each.name() })))
      expect(stdout).toContain(`  ${name} `);
    expect(stdout).toContain('Start here:');
  });

  it('is read as far as somebody likes', async () => {
    const { stdout, stderr } = await promisify(execFile)('sh', ['-c', `"${root}bin/sheaf" --help | true`]);
    expect({ stdout, stderr }).toEqual({ stdout: '', stderr: '' });
  });

  it.each(commands)('of `sheaf %s` ends with 0, on stdout, and has an example', async (command) => {
    const { exitCode, stdout, stderr } = await sheaf(...command.split(' '), '--help');
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toMatch(/^Examples?:\n +/m);
    expect(stdout.split(/^Examples?:/m)[1]).toContain(`sheaf ${command}`);
    expect(stdout).not.toContain('(default: ['); // a list is shown as it is typed
  });
});

describe('help', () => {
  it.each([['help'], ['harvest'], ['feed']])('for %s is what --help shows', async (name) => {
    const words = name === 'help' ? [] : [name];
    const [asked, shown] = await Promise.all([sheaf('help', ...words), sheaf(...words, '--help')]);
    expect(asked).toEqual(shown);
    expect(asked).toMatchObject({ exitCode: 0, stderr: '' });
  });
});

// What is named is all that is loaded: a name that leads nowhere would load everything, each time.
it.each(program.commands.map((each) => each.name()))(
  '`sheaf %s` is found by its name, without all the others',
  async (name) => {
    const { commands: found } = await createProgram(name);
    expect(found.map((each) => each.name())).toContain(name);
    expect(found.length).toBeLessThan(3);
  },
);

describe('bad usage', () => {
  it.each([
    ['an unknown command', ['harvst']],
    ['no command', []],
    ['help for an unknown command', ['help', 'harvst']],
    ['an unknown option', ['harvest', 'oda/Sag', '--fromat', 'csv']],
    ['a missing argument', ['harvest']],
    ['an argument too many', ['doctor', 'please']],
    ['a number out of range', ['harvest', 'oda/Sag', '--concurrency', '0']],
    ['an unknown choice', ['harvest', 'oda/Sag', '--on-failure', 'ignore']],
    ['something that is not a dataset', ['plan', 'Sag']],
    ['an unknown format', ['harvest', 'oda/Sag', '--format', 'xml']],
  ])('ends with 2 and one reason on stderr: %s', async (_, words) => {
    const { exitCode, stdout, stderr } = await sheaf(...words);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).not.toBe('');
    expect(stderr).not.toMatch(/^ +at /m);
  });
});

/** `sheaf …` in the code of a document: a line of a block, or a span. */
function usesIn(path: string): string[] {
  const text = readFileSync(`${root}${path}`, 'utf8');
  const blocks = [...text.matchAll(/^```(?:sh|console|)\n([\s\S]*?)^```/gm)].map((match) => match[1] ?? '');
  const lines = blocks.flatMap((block) => block.split('\n'));
  const spans = [...text.replaceAll(/^```[\s\S]*?^```/gm, '').matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '');
  return [...lines, ...spans]
    .map((code) => code.replace(/\s+#.*$/, '').trim())
    .flatMap((code) => /^(?:[A-Z_]+=\S+ )*(?:npx )?sheaf ([a-z-].*)$/.exec(code)?.[1] ?? []);
}

const documents = [
  'README.md',
  'docs/architecture.md',
  'docs/schedules.md',
  'docs/feed.md',
  'docs/states.md',
  'docs/errors.md',
  'docs/operations.md',
  'docs/verify.md',
];

describe.each([...documents, 'docs/metrics.md', 'docs/add-a-source.md', 'CONTRIBUTING.md'])('%s', (path) => {
  it('names only commands and options that exist', () => {
    for (const use of usesIn(path)) {
      const words = use.split(/\s+/);
      const command = find(words.slice(0, 2)) ?? find(words.slice(0, 1));
      expect(command, `sheaf ${use}`).toBeDefined();
      const known = command?.options.map((option) => option.long) ?? [];
      const used = words.filter((word) => /^--[a-z]/.test(word) && word !== '--help');
      expect(known, `sheaf ${use}`).toEqual(expect.arrayContaining(used));
    }
  });
});

it('shows commands in the README at all', () => {
  expect(usesIn('README.md').length).toBeGreaterThan(5);
});
