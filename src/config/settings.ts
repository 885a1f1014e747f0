import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { UsageError } from '../domain/errors.ts';
import { didYouMean } from '../domain/nearest.ts';
import { withoutCredentials } from '../domain/redact.ts';
import { type OptionName, optionNames, options, type Settings } from './options.ts';

/** Reads `.env` of the working directory, when there is one, into the environment; what is set already wins. */
export function loadEnvFile(): void {
  const path = resolve('.env');
  if (existsSync(path)) process.loadEnvFile(path);
}

/**
 * Reads the settings from an environment. Throws a UsageError that names the setting, what was expected and what came.
 * An unknown `SHEAF_…` name is refused: it is nearly always a misspelt one.
 */
export function readSettings(environment: NodeJS.ProcessEnv = process.env): Settings {
  for (const name of Object.keys(environment)) checkName(name);
  const settings = Object.fromEntries(optionNames.map((name) => [name, readOption(name, environment[name])]));
  return settings as Settings;
}

/** The environment as a command that Sheaf starts inherits it: without what of Sheaf's settings is secret. */
export function environmentHere(): NodeJS.ProcessEnv {
  const given = Object.entries(process.env).filter(([name]) => !isSecret(name));
  return Object.fromEntries(given);
}

export function isSecret(name: string): boolean {
  return name in options && 'isSecret' in options[name as OptionName];
}

/** What a command that Sheaf starts finds in its environment, and sheaf in that command. */
const GIVEN: ReadonlySet<string> = new Set(['SHEAF_RUN', 'SHEAF_STATE', 'SHEAF_DATASET']);

/** Throws a UsageError for a name that looks like a setting of Sheaf and is none. */
export function checkName(name: string): void {
  if (!name.startsWith('SHEAF_') || name.startsWith('SHEAF_TEST_') || GIVEN.has(name) || name in options) return;
  throw new UsageError(
    `${name} is not a setting of Sheaf.${didYouMean(name, optionNames)} .env.example lists them all.`,
    {
      code: 'unknown-setting',
      facts: { name },
    },
  );
}

/** The value of one setting. Throws a UsageError that says what was expected and what came. */
export function readOption(name: OptionName, value: string | undefined): unknown {
  const option = options[name];
  const parsed = option.schema.safeParse(value === undefined || value.trim() === '' ? undefined : value.trim());
  if (parsed.success) return parsed.data;
  const came = isSecret(name) ? shownSecret(String(value)) : `; it is "${withoutCredentials(String(value))}"`;
  throw new UsageError(`${name} must be ${parsed.error.issues[0]?.message ?? 'valid'}${came}.`, {
    code: 'bad-setting',
    facts: { name },
  });
}

/** Of a URL the scheme and the host: its path may be a secret, too. Anything else may be one as a whole. */
function shownSecret(value: string): string {
  const { protocol, host } = (value.includes('://') ? URL.parse(value) : null) ?? {};
  return host ? `; it is a URL that begins with "${protocol}//${host}"` : '';
}
