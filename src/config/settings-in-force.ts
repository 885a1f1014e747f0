import { SheafError } from '../domain/errors.ts';
import { withoutCredentials } from '../domain/redact.ts';
import { optionNames, options } from './options.ts';
import { checkName, isSecret, loadEnvFile, readOption } from './settings.ts';

/** One setting as a command that is started here would find it. */
export interface SettingInForce {
  readonly name: string;
  /** As it was given; null where it is secret, or not given. */
  readonly value: string | null;
  readonly from: 'environment' | '.env' | 'default';
  readonly isSecret: boolean;
  /** What holds where nothing is given, for a person. */
  readonly fallback: string;
  /** Why no command would start with it; null when it is fine. */
  readonly problem: string | null;
}

/** All settings, those that are not given too, and names that look like settings and are none. Throws nothing. */
export function settingsInForce(): SettingInForce[] {
  const before = new Set(givenNames());
  loadEnvFile();
  const unknown = givenNames().filter((name) => !(name in options) && problemOf(() => checkName(name)) !== null);
  const known = optionNames.map((name): SettingInForce => {
    const value = process.env[name]?.trim() || null;
    const from = value === null ? 'default' : before.has(name) ? 'environment' : '.env';
    const secret = isSecret(name);
    const problem = problemOf(() => readOption(name, process.env[name]));
    return {
      name,
      value: secret || value === null ? null : withoutCredentials(value),
      from,
      isSecret: secret,
      fallback: options[name].fallback,
      problem,
    };
  });
  return [...known, ...unknown.map((name) => describeUnknown(name, before))];
}

/** What is given under such a name is not shown: it may be a secret whose name is misspelt. */
function describeUnknown(name: string, before: ReadonlySet<string>): SettingInForce {
  const from = before.has(name) ? 'environment' : '.env';
  return {
    name,
    value: null,
    from,
    isSecret: true,
    fallback: 'not a setting',
    problem: problemOf(() => checkName(name)),
  };
}

function givenNames(): string[] {
  return Object.keys(process.env).filter((name) => process.env[name]?.trim());
}

function problemOf(check: () => unknown): string | null {
  try {
    check();
    return null;
  } catch (error) {
    if (error instanceof SheafError) return error.message;
    throw error;
  }
}
