import { type Role, roles } from './actor.ts';

/** A user, who signs in with a password, or a token, which programs send. One entry of SHEAF_ACCESS: `name:role:hash`. */
export interface AccessEntry {
  readonly kind: 'user' | 'token';
  /** Unique among users and tokens: what the audit log calls them. */
  readonly name: string;
  readonly role: Role;
  /** `scrypt.<log2 N>.<r>.<p>.<salt>.<key>` of a user's password, `sha256.<digest>` of a token; in base64url. */
  readonly hash: string;
}

/** Characters that need no quotes in a shell, in `.env` or in a URL. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/;
const SCRYPT = /^scrypt\.\d{1,2}\.\d{1,2}\.\d{1,2}\.[\w-]{22,86}\.[\w-]{43}$/;
const SHA256 = /^sha256\.[\w-]{43}$/;
/** What the audit log calls those who have no entry. */
const RESERVED = ['local', 'unknown', 'anyone'];

/** Whether a user or a token may have this name. */
export function isAccessName(name: string): boolean {
  return NAME.test(name) && !RESERVED.includes(name);
}

export type ParsedAccess = { readonly entries: readonly AccessEntry[] } | { readonly problem: string };

/** Reads SHEAF_ACCESS. A problem never repeats what may be a secret: anything but a name in its place. */
export function parseAccess(text: string): ParsedAccess {
  const parts = text.split(',').map((part) => part.trim());
  const entries: AccessEntry[] = [];
  for (const [position, part] of parts.filter((each) => each !== '').entries()) {
    const entry = parseEntry(part);
    if (typeof entry === 'string') return { problem: `entry ${position + 1}${nameIn(part)} ${entry}` };
    if (entries.some(({ name }) => name === entry.name)) return { problem: `there are two entries for ${entry.name}` };
    entries.push(entry);
  }
  return { entries };
}

/** The entry, or what is wrong with it. */
function parseEntry(part: string): AccessEntry | string {
  const [name, role, hash, ...rest] = part.split(':');
  if (name === undefined || role === undefined || hash === undefined || rest.length > 0)
    return 'does not have the three parts name:role:hash';
  if (!isAccessName(name)) return 'has no name that can be used: letters, digits and . _ @ -, and not "local"';
  if (!isRole(role)) return `has a role that is neither ${roles.join(' nor ')}`;
  if (SHA256.test(hash)) return { kind: 'token', name, role, hash };
  if (SCRYPT.test(hash) && hasBearableCost(hash)) return { kind: 'user', name, role, hash };
  return 'ends in something that is not a hash; `sheaf access user` and `sheaf access token` make one';
}

function isRole(text: string): text is Role {
  return (roles as readonly string[]).includes(text);
}

function nameIn(part: string): string {
  const [name, ...rest] = part.split(':');
  return rest.length === 2 && name !== undefined && NAME.test(name) ? ` (${name})` : '';
}

/** What scrypt is given. `logN` is the logarithm of N to the base 2; it needs 128 · N · r bytes. */
export interface ScryptCost {
  readonly logN: number;
  readonly r: number;
  readonly p: number;
}

export function scryptCostOf(hash: string): ScryptCost {
  const [, logN, r, p] = hash.split('.').map(Number);
  return { logN: logN ?? 0, r: r ?? 0, p: p ?? 0 };
}

/** Costly enough for whoever has stolen the hash, and not so costly that a sign-in harms the server. */
function hasBearableCost(hash: string): boolean {
  const { logN, r, p } = scryptCostOf(hash);
  return logN >= 14 && logN <= 18 && r >= 8 && r <= 16 && p >= 1 && p <= 10;
}
