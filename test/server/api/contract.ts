import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { addFormats } from './formats.ts';

/** What a test needs to know of an OpenAPI document. */
export interface OpenApi {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, object>>;
    readonly securitySchemes: Readonly<Record<string, object>>;
  };
}

export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required?: boolean }[];
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Content }>>;
}

type Content = Readonly<Record<string, { readonly schema: object }>>;

export interface FoundOperation extends Operation {
  readonly method: string;
  readonly path: string;
}

export function operationsOf({ paths }: OpenApi): FoundOperation[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ ...operation, method: method.toUpperCase(), path })),
  );
}

/** A client that holds every answer against the document, and remembers which operations it has tried. */
export interface Contract {
  readonly document: OpenApi;
  /** Sends a request. Throws when the answer is not one that the document tells of. */
  ask(method: string, path: string, options?: AskOptions): Promise<Response>;
  /** Operations that have not been seen to succeed, to fail, or to refuse strangers, e.g. `getRun fails`. */
  missing(): string[];
}

export interface AskOptions {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly isSignedIn?: boolean;
}

/** `signedIn` are the headers by which the server knows who asks. */
export async function openContract(url: string, signedIn: Readonly<Record<string, string>>): Promise<Contract> {
  const document = (await (await fetch(`${url}/api/openapi.json`, { headers: signedIn })).json()) as OpenApi;
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats(ajv);
  ajv.addSchema(document, 'openapi');
  const operations = operationsOf(document);
  const seen = new Set<string>();

  return {
    document,
    ask: async (method, path, { body, headers, isSignedIn = true } = {}) => {
      const operation = find(operations, method, path);
      const answer = await fetch(url + path, {
        method,
        headers: {
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(isSignedIn ? signedIn : {}),
          ...headers,
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      await check(ajv, operation, answer.clone());
      seen.add(`${operation.operationId} ${outcomeOf(answer.status)}`);
      return answer;
    },
    missing: () =>
      operations
        .flatMap(({ operationId }) => OUTCOMES.map((outcome) => `${operationId} ${outcome}`))
        .filter((each) => !seen.has(each)),
  };
}

const OUTCOMES = ['succeeds', 'fails', 'refuses strangers'] as const;

function outcomeOf(status: number): (typeof OUTCOMES)[number] {
  if (status === 401) return 'refuses strangers';
  return status < 400 ? 'succeeds' : 'fails';
}

function find(operations: readonly FoundOperation[], method: string, path: string): FoundOperation {
  const asked = path.split('?', 1)[0] ?? '';
  const matches = operations.filter(
    (each) => each.method === method && new RegExp(`^${each.path.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(asked),
  );
  // `/rejects/replay` before `/rejects/{reject}`
  const [operation] = matches.toSorted((a, b) => a.path.split('{').length - b.path.split('{').length);
  if (operation === undefined) throw new Error(`${method} ${path} is not in the document`);
  return operation;
}

async function check(ajv: Ajv2020, operation: FoundOperation, answer: Response): Promise<void> {
  const name = `${operation.operationId} answers ${answer.status}`;
  const response = operation.responses[answer.status];
  if (response === undefined) throw new Error(`${name}, of which the document does not tell: ${await answer.text()}`);
  const text = await answer.text();
  if (response.content === undefined) {
    if (text !== '') throw new Error(`${name} with a body, and should have none`);
    return;
  }
  const type = answer.headers.get('content-type')?.split(';', 1)[0] ?? '';
  const media = response.content[type];
  if (media === undefined) throw new Error(`${name} as ${type}, of which the document does not tell`);
  checkHeaders(name, operation, answer);
  const validate = compile(ajv, [operation, String(answer.status), type]);
  const value = type.includes('json') && !type.includes('ndjson') ? (JSON.parse(text) as unknown) : text;
  if (!validate(value)) throw new Error(`${name}: ${ajv.errorsText(validate.errors)} in ${text.slice(0, 500)}`);
}

function checkHeaders(name: string, operation: FoundOperation, answer: Response): void {
  const isRead = operation.method === 'GET' && answer.status === 200;
  const isStream = answer.headers.get('content-disposition') !== null;
  if (isRead && !isStream && answer.headers.get('etag') === null) throw new Error(`${name} without an ETag`);
  if (answer.headers.get('cache-control') === null) throw new Error(`${name} without Cache-Control`);
  if (answer.status >= 400 && answer.headers.get('etag') !== null) throw new Error(`${name} with an ETag`);
}

const escapePointer = (part: string) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'));

function compile(ajv: Ajv2020, [operation, status, type]: readonly [FoundOperation, string, string]): ValidateFunction {
  const parts = [
    'paths',
    operation.path,
    operation.method.toLowerCase(),
    'responses',
    status,
    'content',
    type,
    'schema',
  ];
  const $ref = `openapi#/${parts.map(escapePointer).join('/')}`;
  return ajv.getSchema($ref) ?? ajv.compile({ $ref });
}
