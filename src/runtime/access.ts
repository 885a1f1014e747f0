import { isAccessName } from '../domain/access.ts';
import type { Role } from '../domain/actor.ts';
import { UsageError } from '../domain/errors.ts';
import { createToken, hashPassword } from '../server/security/credentials.ts';

interface Holder {
  readonly name: string;
  readonly role: Role;
}

/** Characters of a password at least: what a hash that was stolen can be tried against for years. */
export const PASSWORD_LENGTH = 12;

/** The entry of a user for SHEAF_ACCESS. Throws a UsageError for a password that is too short. */
export async function createUserEntry({ name, role }: Holder, password: string): Promise<string> {
  checkName(name);
  if ([...password].length < PASSWORD_LENGTH) {
    throw new UsageError(
      `The password has fewer than ${PASSWORD_LENGTH} characters; some words in a row are easier to keep in mind.`,
      { code: 'weak-password' },
    );
  }
  return `${name}:${role}:${await hashPassword(password)}`;
}

/** A new token, which is shown once, and its entry for SHEAF_ACCESS. */
export function createTokenEntry({ name, role }: Holder): { readonly token: string; readonly entry: string } {
  checkName(name);
  const { token, hash } = createToken();
  return { token, entry: `${name}:${role}:${hash}` };
}

/** Throws a UsageError for a name that no user or token may have. */
export function checkName(name: string): void {
  if (isAccessName(name)) return;
  throw new UsageError(
    `"${name}" cannot be the name of a user or token: up to 64 letters, digits and . _ @ -, and not "local".`,
    { code: 'bad-access-name', facts: { asked: name } },
  );
}
