import { hashPassword } from '../../../src/server/security/credentials.ts';
import type { FleetOptions } from '../../support/fleet.ts';
import { type ServedFleet, startServedFleet } from '../setup.ts';

export const PASSWORD = 'correct horse battery';
/** Tokens of a program that may do everything, and of one that may read. */
export const OPERATOR_TOKEN = 'sheaf_test-token-of-an-operator';
export const VIEWER_TOKEN = 'sheaf_test-token-of-a-viewer';

/** The least that is taken, so that tests sign in quickly. */
const CHEAP = { logN: 14, r: 8, p: 1 };
const hash = await hashPassword(PASSWORD, CHEAP);

/** An operator and a viewer of each kind; both users have the same password. */
export const ACCESS = [
  `ada:operator:${hash}`,
  `vic:viewer:${await hashPassword(PASSWORD, CHEAP)}`,
  'deploy:operator:sha256.cxkCLSyAA7j_NbT7D6gr9PZmS3pZDhZtoju3Rd23h_g',
  'prometheus:viewer:sha256.zwLqEt_P_GM9jW6tmSUOO3p8V2o6-eHR9LKHR9_YvL0',
].join(',');

/** A fleet whose server asks who comes. */
export function startGuardedFleet(options: Partial<FleetOptions> = {}): Promise<ServedFleet> {
  return startServedFleet({ ...options, environment: { SHEAF_ACCESS: ACCESS, ...options.environment } });
}

export const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

/** What a browser sends with a form of our own page. */
export function submit(url: string, path: string, fields: Record<string, string>, cookie = ''): Promise<Response> {
  return fetch(`${url}${path}`, {
    method: 'POST',
    redirect: 'manual',
    headers: { 'sec-fetch-site': 'same-origin', accept: 'text/html', ...(cookie === '' ? {} : { cookie }) },
    body: new URLSearchParams(fields),
  });
}

/** Signs in, and returns the cookie to send. */
export async function signIn(url: string, name = 'ada', password = PASSWORD): Promise<string> {
  const answer = await submit(url, '/sign-in', { name, password });
  if (answer.status !== 303) throw new Error(`signing in was answered with ${answer.status}`);
  return cookieOf(answer);
}

export function cookieOf(answer: Response): string {
  return answer.headers
    .getSetCookie()
    .map((cookie) => cookie.split(';', 1)[0])
    .join('; ');
}
