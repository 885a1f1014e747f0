import { z } from 'zod';
import { type AccessEntry, parseAccess } from '../domain/access.ts';
import { isAddressOrNetwork } from '../domain/address.ts';
import { ENDED_STATES } from '../domain/notification.ts';

/**
 * Every setting of Sheaf, once: types, validation, `.env.example` and docs/settings.md come from this table.
 * Settings are read from the environment; an empty value counts as unset.
 */
export interface Option<T> {
  readonly summary: string;
  /** What an unset value means, for people; the machine's default is in the schema. */
  readonly fallback: string;
  readonly schema: z.ZodType<T>;
  readonly isSecret?: boolean;
}

function option<T>(option: Option<T>): Option<T> {
  return option;
}

const wholeNumber = (from: number, to: number) =>
  z.coerce
    .number(`a whole number from ${from} to ${to}`)
    .int(`a whole number from ${from} to ${to}`)
    .min(from, `a whole number from ${from} to ${to}`)
    .max(to, `a whole number from ${from} to ${to}`);

const postgresUrl = z.url({
  protocol: /^postgres(ql)?$/,
  error: 'a URL like postgres://user:password@host:5432/database',
});
const redisUrl = z.url({ protocol: /^rediss?$/, error: 'a URL like redis://host:6379/0' });
const httpUrl = z
  .url({ protocol: /^https?$/, error: 'an http or https URL' })
  .transform((url) => (url.endsWith('/') ? url : `${url}/`));

const ACCESS = 'entries like name:role:hash, separated by commas, with the role viewer or operator';
const accessList = z
  .string()
  .prefault('')
  .transform((text, context): readonly AccessEntry[] => {
    const parsed = parseAccess(text);
    if ('entries' in parsed) return parsed.entries;
    const message = text === '\0' ? ACCESS : `${ACCESS}; ${parsed.problem}`;
    context.addIssue(message);
    return z.NEVER;
  });

const PROXIES = 'addresses like 10.0.0.7 or networks like 10.0.0.0/8, separated by commas';
const proxyList = z
  .string()
  .prefault('')
  .transform((text) =>
    text
      .split(',')
      .map((each) => each.trim())
      .filter((each) => each !== ''),
  )
  .refine((proxies) => proxies.every(isAddressOrNetwork), PROXIES);
/** 24 to 64 bytes: 32 to 88 characters, with their padding. */
const WEBHOOK_SECRET =
  /^whsec_(?=[A-Za-z0-9+/=]{32,88}$)(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

const STATE_LIST = `a comma list of ${ENDED_STATES.join(', ')}`;
const endedStates = z
  .string(STATE_LIST)
  .transform((list) => list.split(',').map((state) => state.trim()))
  .pipe(z.array(z.enum(ENDED_STATES, STATE_LIST)));

export const options = {
  DATABASE_URL: option({
    summary: 'The PostgreSQL (16 or newer) that holds the ledger and the records.',
    fallback: 'unset: an embedded PostgreSQL under SHEAF_HOME',
    schema: postgresUrl.optional(),
    isSecret: true,
  }),
  REDIS_URL: option({
    summary: 'The Redis or Valkey that carries the queues of a fleet; its maxmemory-policy must be noeviction.',
    fallback: 'unset: the queues live in PostgreSQL',
    schema: redisUrl.optional(),
    isSecret: true,
  }),
  SHEAF_HOME: option({
    summary: 'The folder of the embedded PostgreSQL.',
    fallback: '.sheaf',
    schema: z.string().min(1).default('.sheaf'),
  }),
  SHEAF_OUT: option({
    summary: 'The folder that exports are written below.',
    fallback: 'out',
    schema: z.string().min(1).default('out'),
  }),
  SHEAF_CONCURRENCY: option({
    summary: 'How many pages a process asks for at once.',
    fallback: '8',
    schema: wholeNumber(1, 256).default(8),
  }),
  SHEAF_ODA_URL: option({
    summary: "The Danish Parliament's open data API, or something that answers like it.",
    fallback: 'https://oda.ft.dk/api/',
    schema: httpUrl.default('https://oda.ft.dk/api/'),
  }),
  SHEAF_ODA_RATE: option({
    summary: 'Requests a second to the source oda, all workers together; 0 for no limit.',
    fallback: '5; no limit for a server on this machine',
    schema: z.coerce
      .number('a number from 0 to 10000')
      .min(0, 'a number from 0 to 10000')
      .max(10_000, 'a number from 0 to 10000')
      .optional(),
  }),
  SHEAF_ODA_CONCURRENCY: option({
    summary: 'Requests to the source oda under way at once, all workers together; 0 for no limit.',
    fallback: '8; no limit for a server on this machine',
    schema: wholeNumber(0, 10_000).optional(),
  }),
  SHEAF_USER_AGENT: option({
    summary: 'How Sheaf names itself to sources. Add an address at which you can be reached.',
    fallback: 'sheaf/<version>',
    schema: z
      .string()
      .regex(/^[\x20-\x7e]+$/, 'printable ASCII')
      .optional(),
  }),
  SHEAF_CONNECT_TIMEOUT_MS: option({
    summary: 'How long connecting to a source may take, in milliseconds.',
    fallback: '10000',
    schema: wholeNumber(100, 600_000).default(10_000),
  }),
  SHEAF_HEADERS_TIMEOUT_MS: option({
    summary: 'How long a source may think before it answers, in milliseconds.',
    fallback: '30000',
    schema: wholeNumber(100, 600_000).default(30_000),
  }),
  SHEAF_BODY_TIMEOUT_MS: option({
    summary: 'How long the body of one answer may take, in milliseconds.',
    fallback: '60000',
    schema: wholeNumber(100, 3_600_000).default(60_000),
  }),
  SHEAF_MAX_BODY_MB: option({
    summary: 'The largest answer that is read, in megabytes; a larger one fails its slice.',
    fallback: '64',
    schema: wholeNumber(1, 512).default(64),
  }),
  SHEAF_HEAP_MB: option({
    summary:
      'The JavaScript heap of a process at most, in megabytes; raise it for very large pages. Not read from .env.',
    fallback: '1024',
    schema: wholeNumber(128, 65_536).default(1_024),
  }),
  SHEAF_STORE_TIMEOUT_MS: option({
    summary:
      'How long a worker goes on without its database or its queue, in milliseconds. Then it ends with exit code 1, for its supervisor to start it anew; what it held is taken over.',
    fallback: '120000',
    schema: wholeNumber(1_000, 86_400_000).default(120_000),
  }),
  SHEAF_STALL_MINUTES: option({
    summary: 'After how many minutes without a page a run is reported as being without progress.',
    fallback: '5',
    schema: wholeNumber(1, 10_080).default(5),
  }),
  SHEAF_HOST: option({
    summary: 'The address that `sheaf serve` and `sheaf up` listen on.',
    fallback: '127.0.0.1, which only this machine reaches',
    schema: z.string().min(1).default('127.0.0.1'),
  }),
  SHEAF_PORT: option({
    summary: 'The port that `sheaf serve` and `sheaf up` listen on; 0 for a free one.',
    fallback: '7070',
    schema: wholeNumber(0, 65_535).default(7_070),
  }),
  SHEAF_WORKER_PORT: option({
    summary:
      'The port on which a `sheaf worker` answers /healthz, /readyz and /metrics, on SHEAF_HOST; 0 for a free one.',
    fallback: 'unset: none',
    schema: wholeNumber(0, 65_535).optional(),
  }),
  SHEAF_ACCESS: option({
    summary:
      'Who may use the server: entries like name:role:hash, separated by commas, as `sheaf access user` and `sheaf access token` print them.',
    fallback: 'unset: everybody on this machine may do everything, and others cannot reach the server',
    schema: accessList,
    isSecret: true,
  }),
  SHEAF_TRUST_PROXY: option({
    summary:
      'Addresses or networks, separated by commas, of the proxies in front of the server, whose X-Forwarded-For, -Proto and -Host are believed.',
    fallback: 'none',
    schema: proxyList,
  }),
  SHEAF_NOTIFY_URL: option({
    summary: 'Where the end of a run is posted, signed with SHEAF_NOTIFY_SECRET.',
    fallback: 'unset: nowhere',
    schema: z
      .url({ protocol: /^https?$/, error: 'an http or https URL' })
      .refine((url) => !/^[^/]*\/\/[^/?#]*@/.test(url), 'a URL without user and password')
      .optional(),
    isSecret: true,
  }),
  SHEAF_NOTIFY_SECRET: option({
    summary: 'What these messages are signed with, by the Standard Webhooks scheme; the receiver needs it, too.',
    fallback: 'unset: SHEAF_NOTIFY_URL is then refused',
    schema: z
      .string()
      .regex(WEBHOOK_SECRET, 'whsec_ and 24 to 64 bytes in base64, as `openssl rand -base64 32` makes them')
      .optional(),
    isSecret: true,
  }),
  SHEAF_NOTIFY_COMMAND: option({
    summary:
      'What `sh -c` runs when a run ends, with the message on stdin and SHEAF_RUN, SHEAF_STATE and SHEAF_DATASET set; on a worker.',
    fallback: 'unset: nothing',
    schema: z.string().min(1).optional(),
  }),
  SHEAF_NOTIFY_STATES: option({
    summary: 'How a run must have ended to be told of: a comma list of complete, partial, failed and cancelled.',
    fallback: 'failed,partial',
    schema: endedStates.default(['failed', 'partial']),
  }),
  SHEAF_FEED_SECRET: option({
    summary:
      'What changes told to webhooks (`sheaf feed`) are signed with, by the Standard Webhooks scheme; on every worker.',
    fallback: 'unset: webhooks are told nothing',
    schema: z
      .string()
      .regex(WEBHOOK_SECRET, 'whsec_ and 24 to 64 bytes in base64, as `openssl rand -base64 32` makes them')
      .optional(),
    isSecret: true,
  }),
  SHEAF_FEED_HOLD_MONTHS: option({
    summary:
      'For how many months longer than SHEAF_CHANGES_MONTHS changes are kept for a subscriber that has not been told them.',
    fallback: '6',
    schema: wholeNumber(0, 1_200).default(6),
  }),
  SHEAF_KAFKA_USERNAME: option({
    summary: 'The user that workers sign in to Kafka as, with SHEAF_KAFKA_PASSWORD.',
    fallback: 'unset: they do not sign in',
    schema: z.string().min(1).optional(),
  }),
  SHEAF_KAFKA_PASSWORD: option({
    summary: 'The password for that.',
    fallback: 'unset',
    schema: z.string().min(1).optional(),
    isSecret: true,
  }),
  SHEAF_KAFKA_MECHANISM: option({
    summary: 'How they sign in: SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN, the last with SHEAF_KAFKA_TLS only.',
    fallback: 'SCRAM-SHA-512',
    schema: z
      .enum(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'], 'SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN')
      .default('SCRAM-SHA-512'),
  }),
  SHEAF_KAFKA_TLS: option({
    summary: 'Whether connections to Kafka are encrypted: on or off. NODE_EXTRA_CA_CERTS names a CA of your own.',
    fallback: 'off',
    schema: z.enum(['on', 'off'], 'on or off').default('off'),
  }),
  OTEL_EXPORTER_OTLP_ENDPOINT: option({
    summary: 'Where traces are sent to, by OTLP over HTTP: the base URL; `v1/traces` below it is posted to.',
    fallback: 'unset: nothing is traced',
    schema: z.url({ protocol: /^https?$/, error: 'an http or https URL' }).optional(),
    isSecret: true,
  }),
  OTEL_EXPORTER_OTLP_HEADERS: option({
    summary: 'Headers for that: name=value, separated by commas, the values percent-encoded.',
    fallback: 'none',
    schema: z.string().optional(),
    isSecret: true,
  }),
  OTEL_SERVICE_NAME: option({
    summary: 'The name of the service in traces.',
    fallback: 'sheaf',
    schema: z.string().min(1).default('sheaf'),
  }),
  SHEAF_CHANGES_MONTHS: option({
    summary: 'How many whole months of changes are kept, besides the current one; older ones are dropped.',
    fallback: '24',
    schema: wholeNumber(1, 1_200).default(24),
  }),
  SHEAF_LOG_LEVEL: option({
    summary: 'What is logged to stderr, as JSON lines: debug, info, warn, error or silent.',
    fallback:
      'info for `sheaf worker`, `serve` and `up`, nothing for the other commands, which tell of troubles in words',
    schema: z.enum(['debug', 'info', 'warn', 'error', 'silent'], 'debug, info, warn, error or silent').optional(),
  }),
} as const satisfies Record<string, Option<unknown>>;

export type OptionName = keyof typeof options;
export type Settings = { readonly [Name in OptionName]: z.output<(typeof options)[Name]['schema']> };
export const optionNames = Object.keys(options) as readonly OptionName[];
