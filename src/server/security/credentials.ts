import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { type AccessEntry, type ScryptCost, scryptCostOf } from '../../domain/access.ts';

const derive = promisify<string, Buffer, number, { N: number; r: number; p: number; maxmem: number }, Buffer>(scrypt);

/** 32 MB and about 0.15 s: as strong as OWASP asks for, in the variant that needs little memory. */
const COST: ScryptCost = { logN: 15, r: 8, p: 3 };
const KEY_BYTES = 32;
const TOKEN_BYTES = 32;

/** Hashes a password with a new salt, at today's cost, as SHEAF_ACCESS holds it. */
export async function hashPassword(password: string, cost = COST): Promise<string> {
  const salt = randomBytes(16);
  const key = await deriveKey(password, salt, cost);
  const { logN, r, p } = cost;
  return ['scrypt', logN, r, p, salt.toString('base64url'), key.toString('base64url')].join('.');
}

/** A new token, and its hash. Fast to hash, because nobody can guess 256 bits. */
export function createToken(): { readonly token: string; readonly hash: string } {
  const token = `sheaf_${randomBytes(TOKEN_BYTES).toString('base64url')}`;
  return { token, hash: hashToken(token) };
}

function hashToken(token: string): string {
  return `sha256.${createHash('sha256').update(token).digest('base64url')}`;
}

/** The entry whose token this is; null when there is none. Takes the same time wherever it stands, or does not. */
export function findToken(entries: readonly AccessEntry[], token: string): AccessEntry | null {
  const hash = hashToken(token);
  let found: AccessEntry | null = null;
  for (const entry of entries) {
    if (entry.kind === 'token' && isSame(entry.hash, hash)) found = entry;
  }
  return found;
}

/** The user with this name and password; null when either is wrong. An unknown name takes as long as a known one. */
export async function findUser(
  entries: readonly AccessEntry[],
  { name, password }: { readonly name: string; readonly password: string },
): Promise<AccessEntry | null> {
  const users = entries.filter(({ kind }) => kind === 'user');
  const user = users.find((each) => each.name === name) ?? null;
  const hash =
    (user ?? users[0])?.hash ?? `scrypt.${COST.logN}.${COST.r}.${COST.p}.${'A'.repeat(22)}.${'A'.repeat(43)}`;
  const [, , , , salt = '', key = ''] = hash.split('.');
  const derived = await deriveKey(password, Buffer.from(salt, 'base64url'), scryptCostOf(hash));
  return isSame(derived.toString('base64url'), key) ? user : null;
}

/** Stands for an entry in a session, which ends when the entry changes; says nothing of the hash. */
export function fingerprint({ name, role, hash }: AccessEntry): string {
  return createHash('sha256').update(`sheaf session:${name}:${role}:${hash}`).digest('base64url');
}

/** Compares in a time that tells nothing of where two texts differ. */
export function isSame(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

function deriveKey(password: string, salt: Buffer, { logN, r, p }: ScryptCost): Promise<Buffer> {
  const N = 2 ** logN;
  // The same password, however a keyboard composes its letters.
  return derive(password.normalize('NFC'), salt, KEY_BYTES, { N, r, p, maxmem: 129 * N * r + 1_024 * r * p });
}
