// What a process is there for, by its command line as /proc has it.
import { basename } from 'node:path';

/** `postgres: <name of the server>: <what it is there for>`, and of a client's: `<user> <database> <host>(<port>) <state>`. */
const POSTGRES = /^postgres: (?:\S+: )?(.+)$/;
const CLIENT = /^\S+ \S+ (?:\[local\]|[\w.:]+\(\d+\))/;
/** What follows tells one of a kind from another. */
const COUNTED = /^(io worker|parallel worker|autovacuum worker|startup|walsender)\b/;

/** The same for all processes that do the same work. Null where it takes the name of a client to tell. */
export function roleOf(commandLine: string): string | null {
  const words = commandLine.split('\0').filter((word) => word !== '');
  const title = POSTGRES.exec(words[0] ?? '')?.[1]?.trim();
  if (title === undefined) return programRole(words);
  if (CLIENT.test(title)) return null;
  return COUNTED.exec(title)?.[1] ?? title;
}

/** A program, with its script where it is one that reads scripts. */
function programRole([file = '', ...words]: readonly string[]): string {
  const program = basename(file.split(' ')[0] ?? '');
  if (!/^(?:node|python[\d.]*|sh)$/.test(program)) return program;
  const at = words.findIndex((word) => !word.startsWith('-'));
  const isCode = /^-[ec]$/.test(words[at - 1] ?? '');
  return at < 0 || isCode ? program : `${program} ${basename(words[at] ?? '')}`;
}

/** The name under which a client has connected, without what makes it one of its kind: Sheaf's bear a number of their own. */
export function clientRole(application: string | undefined): string {
  if (application === undefined || application === '') return 'client without a name';
  return `client ${application.replace(/-[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/, '')}`;
}
