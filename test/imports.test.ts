import { readdirSync, readFileSync } from 'node:fs';
import { relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../src/', import.meta.url));

/** What each folder may import, besides its own files. A folder that is not built yet may stand here all the same. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  domain: [],
  config: ['domain'],
  telemetry: ['domain'],
  db: ['domain', 'telemetry'],
  queues: ['domain', 'config'],
  sources: ['domain'],
  gate: ['domain', 'db', 'telemetry'],
  exporters: ['domain'],
  producer: ['domain', 'sources', 'queues', 'db', 'telemetry'],
  workers: ['domain', 'sources', 'gate', 'exporters', 'queues', 'db', 'telemetry'],
  server: ['domain', 'producer', 'db', 'telemetry'],
  notifications: ['domain', 'db', 'telemetry'],
  feed: ['domain', 'db', 'telemetry', 'notifications'],
  embedded: ['domain'],
  twin: [],
  runtime: [
    ...['domain', 'config', 'telemetry', 'db', 'queues', 'sources', 'gate', 'exporters', 'producer', 'workers'],
    ...['server', 'notifications', 'feed', 'embedded', 'twin'],
  ],
  cli: ['runtime', 'domain', 'config'],
};

/** Packages that are kept behind one seam: the files, or folders ending in a slash, that may name them. */
const confined: Readonly<Record<string, readonly string[]>> = {
  bullmq: ['queues/', 'workers/settle.ts', 'workers/slice-worker.ts', 'workers/finalise-worker.ts'],
  ioredis: ['queues/'],
  pg: ['db/', 'embedded/', 'queues/postgres-engine.ts'],
  'drizzle-orm': ['db/'],
  undici: ['sources/http-client.ts', 'sources/answer-receiver.ts'],
  commander: ['cli/'],
  croner: ['domain/cron.ts'],
  fastify: ['server/'],
  ghtml: ['server/'],
  '@opentelemetry/api': ['telemetry/tracing.ts'],
  '@opentelemetry/exporter-trace-otlp-http': ['telemetry/tracing.ts'],
  '@opentelemetry/resources': ['telemetry/tracing.ts'],
  '@opentelemetry/sdk-trace-node': ['telemetry/tracing.ts'],
  'bullmq-otel': ['queues/queue-tracing.ts'],
  '@platformatic/kafka': ['feed/kafka-target.ts'],
  'prom-client': ['telemetry/metrics.ts', 'server/metrics.ts'],
  '@bull-board/api': ['queues/queues.ts', 'server/board.ts', 'server/server-context.ts'],
  '@bull-board/fastify': ['server/board.ts'],
  '@fastify/etag': ['server/api/api.ts'],
  '@fastify/swagger': ['server/api/documentation.ts'],
  '@fastify/swagger-ui': ['server/api/documentation.ts'],
  'fastify-type-provider-zod': ['server/api/'],
  '@fastify/formbody': ['server/security/sign-in.ts', 'server/pages/pages.ts'],
  '@fastify/helmet': ['server/security/headers.ts'],
  '@fastify/rate-limit': ['server/security/limit-attempts.ts'],
  '@fastify/static': ['server/pages/assets.ts'],
  '@fastify/secure-session': ['server/security/security.ts'],
};

interface SourceFile {
  /** From src, with slashes: `workers/settle.ts`. */
  readonly path: string;
  readonly folder: string;
  readonly text: string;
  /** What it imports, types and dynamic imports too, as written. */
  readonly imports: readonly string[];
}

const IMPORT = /\b(?:from|import)\s*\(?\s*'([^']+)'/g;

const files: readonly SourceFile[] = readdirSync(root, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => {
    const full = `${entry.parentPath}${sep}${entry.name}`;
    const path = relative(root, full).replaceAll(sep, '/');
    const text = readFileSync(full, 'utf8');
    const imports = [...text.matchAll(IMPORT)].map((match) => match[1] ?? '');
    return { path, folder: path.split('/')[0] ?? '', text, imports };
  });

/** The folder that a relative import leads to; null for a package. */
function folderOf({ path }: SourceFile, specifier: string): string | null {
  if (!specifier.startsWith('.')) return null;
  const target = new URL(specifier, `file:///${path}`).pathname.slice(1);
  return target.split('/')[0] ?? null;
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

describe('the import table', () => {
  it('knows every folder, and every file is in one', () => {
    expect(files.length).toBeGreaterThan(50);
    const unknown = files.filter(({ folder, path }) => !(folder in allowed) && path !== 'index.ts');
    expect(unknown.map(({ path }) => path)).toEqual([]);
  });

  it.each(Object.keys(allowed))('holds for src/%s', (folder) => {
    const may = new Set([folder, ...(allowed[folder] ?? [])]);
    const broken = files
      .filter((file) => file.folder === folder)
      .flatMap((file) =>
        file.imports
          .filter((specifier) => !may.has(folderOf(file, specifier) ?? folder))
          .map((specifier) => `${file.path} imports ${specifier}`),
      );
    expect(broken).toEqual([]);
  });

  it.each(Object.keys(confined))('keeps the package %s behind its seam', (name) => {
    const places = confined[name] ?? [];
    const users = files.filter(({ imports }) => imports.some((specifier) => packageOf(specifier) === name));
    const strays = users.filter(({ path }) => !places.some((place) => path === place || path.startsWith(place)));
    expect(users.length).toBeGreaterThan(0);
    expect(strays.map(({ path }) => path)).toEqual([]);
  });

  it('loads what traces only where something is traced', () => {
    const early = /import (?!type\b)[^;]*from '[^']*(?:telemetry\/|\.\/)(?:tracing|queue-tracing)\.ts'/;
    expect(files.filter(({ text }) => early.test(text)).map(({ path }) => path)).toEqual([]);
    const late = files.filter(({ text }) => /import\('[^']*tracing\.ts'\)/.test(text));
    expect(late.map(({ path }) => path).toSorted()).toEqual(['runtime/context.ts', 'runtime/trace-runs.ts']);
  });

  it('loads the Kafka client only where something is told to Kafka', () => {
    const early = /import (?!type\b)[^;]*from '[^']*kafka-target\.ts'/;
    expect(files.filter(({ text }) => early.test(text)).map(({ path }) => path)).toEqual([]);
    expect(files.filter(({ text }) => /import\('[^']*kafka-target\.ts'\)/.test(text))).toHaveLength(1);
  });

  it('lets only config read the environment', () => {
    const readers = files.filter(({ folder, text }) => folder !== 'config' && /\bprocess\s*\.\s*env\b/.test(text));
    expect(readers.map(({ path }) => path)).toEqual([]);
  });

  it('lets the twin use nothing of ours and no package: it must not share the mistakes of what it tests', () => {
    const packages = files
      .filter(({ folder }) => folder === 'twin')
      .flatMap(({ imports }) => imports.filter((each) => !each.startsWith('.') && !each.startsWith('node:')));
    expect(packages).toEqual([]);
  });
});
