// Harvests real records through the twin on both engines, twice, and compares the table and every file with the source.
// Shares no code with Sheaf but the commands it runs. Usage:
//   node scripts/prove-real-data.mjs [--data ../shared/data/oda] [--only 2024-01] [--engines postgres,redis]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { parse } from 'csv-parse/sync';
import pg from 'pg';

const { values: options } = parseArgs({
  options: {
    data: { type: 'string', default: '../shared/data/oda' },
    only: { type: 'string' },
    engines: { type: 'string', default: 'postgres,redis' },
  },
});
const data = resolve(options.data);
if (!existsSync(data)) throw new Error(`There is no folder ${data}; name it with --data.`);
const snapshots = readdirSync(data).filter((name) => /^\d{4}-\d{2}$/.test(name) && (options.only ?? name) === name);

let compared = 0;
for (const engine of options.engines.split(',')) {
  for (const snapshot of snapshots) compared += await prove(engine, join(data, snapshot));
}
console.log(`${compared} files harvested and compared, twice each: every record is there, once, with its own values.`);

async function prove(engine, folder) {
  const scratch = mkdtempSync(join(tmpdir(), 'sheaf-proof-'));
  chmodSync(scratch, 0o755); // as root, PostgreSQL runs as another user, who must reach it
  const redis = engine === 'redis' ? await startRedis(scratch) : null;
  const twin = await startTwin(folder);
  const environment = {
    ...process.env,
    DATABASE_URL: '',
    REDIS_URL: redis?.url ?? '',
    SHEAF_HOME: join(scratch, 'home'),
    SHEAF_OUT: join(scratch, 'out'),
    SHEAF_ODA_URL: twin.url,
  };
  try {
    const files = readdirSync(folder).filter((name) => name.endsWith('.ndjson.gz'));
    const datasets = files.map((name) => `oda/${name.slice(0, -'.ndjson.gz'.length)}`);
    const first = await harvest(environment, datasets);
    const second = await harvest(environment, datasets);
    const database = await openDatabase(environment);
    for (const [position, dataset] of datasets.entries()) {
      const lines = gunzipSync(readFileSync(join(folder, files[position])))
        .toString('utf8')
        .trimEnd()
        .split('\n');
      const source = new Map(lines.map((line) => [String(JSON.parse(line).id), line]));
      assert(source.size === lines.length, `${dataset}: the source repeats a key`);
      await compare({
        dataset,
        source,
        client: database.client,
        reports: [first, second].map((all) => all.find((each) => each.dataset === dataset)),
      });
      console.log(
        `${engine.padEnd(8)} ${folder.slice(-7)} ${dataset.padEnd(30)} ${String(source.size).padStart(7)} records: table, ndjson, json, csv equal; second run: nothing changed`,
      );
    }
    await database.close();
    return files.length;
  } finally {
    await end(twin.process);
    if (redis !== null) await end(redis.process);
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function compare({ dataset, source, client, reports }) {
  const [first, second] = reports;
  for (const report of reports) {
    assert(report.state === 'complete' && report.records === source.size, `${dataset}: ${JSON.stringify(report)}`);
    for (const file of report.exports) compareFile(dataset, source, file);
  }
  assert(first.inserted === source.size, `${dataset}: first run inserted ${first.inserted}`);
  assert(
    second.inserted + second.updated + second.deleted === 0 && second.unchanged === source.size,
    `${dataset}: the second run changed something`,
  );
  const { rows } = await client.query(
    `select key, data::text as data from sheaf.records where dataset = $1 and deleted_at is null`,
    [dataset],
  );
  assert(rows.length === source.size, `${dataset}: the table holds ${rows.length}`);
  for (const { key, data: text } of rows)
    assert(sorted(text) === sorted(source.get(key)), `${dataset} ${key}: ${text}`);
}

function compareFile(dataset, source, { format, path }) {
  const text = readFileSync(path, 'utf8');
  if (format === 'csv') return compareCsv(dataset, source, text);
  const lines =
    format === 'json'
      ? text
          .split('\n')
          .slice(1, -2)
          .map((line) => line.replace(/,$/, ''))
      : text.trimEnd().split('\n');
  if (format === 'json') JSON.parse(text);
  assert(lines.length === source.size, `${path}: ${lines.length} records`);
  const seen = new Set();
  for (const line of lines) {
    const key = String(JSON.parse(line).id);
    assert(line === source.get(key) && !seen.has(key), `${path}: ${line}`);
    seen.add(key);
  }
}

function compareCsv(dataset, source, text) {
  const cast = (value, { quoting, header }) => (header || quoting || value !== '' ? value : null);
  const rows = parse(text, { columns: true, cast });
  assert(rows.length === source.size, `${dataset} csv: ${rows.length} records`);
  const seen = new Set();
  for (const row of rows) {
    const record = JSON.parse(source.get(row.id));
    for (const [name, value] of Object.entries(record)) {
      assert(row[name] === (value === null ? null : String(value)), `${dataset} csv ${row.id}.${name}: ${row[name]}`);
    }
    assert(!seen.has(row.id), `${dataset} csv repeats ${row.id}`);
    seen.add(row.id);
  }
}

function sorted(text) {
  return JSON.stringify(Object.entries(JSON.parse(text)).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function assert(holds, message) {
  if (!holds) throw new Error(message);
}

async function harvest(environment, datasets) {
  const output = await run(['harvest', ...datasets, '--format', 'ndjson,json,csv', '--json'], environment);
  const reports = JSON.parse(output);
  return Array.isArray(reports) ? reports : [reports];
}

async function run(args, environment) {
  const child = spawn('bin/sheaf', args, { env: environment, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  const [code] = await once(child, 'close');
  assert(code === 0, `${args.join(' ')} exited ${code}: ${output}`);
  return output;
}

/** `sheaf db open` keeps the embedded PostgreSQL there while its tables are read. */
async function openDatabase(environment) {
  const opened = spawn('bin/sheaf', ['db', 'open'], {
    env: environment,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const url = await firstLine(opened);
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return { client, close: () => client.end().then(() => end(opened)) };
}

async function startTwin(folder) {
  const child = spawn(process.execPath, ['src/twin/main.ts', '--folder', folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return { process: child, url: await firstLine(child) };
}

async function startRedis(directory) {
  const port = await freePort();
  const args = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--dir',
    directory,
    '--save',
    '',
    '--maxmemory-policy',
    'noeviction',
  ];
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  for await (const line of lines) if (line.includes('Ready to accept')) break;
  child.stdout.resume();
  return { process: child, url: `redis://127.0.0.1:${port}/0` };
}

async function firstLine(child) {
  const lines = createInterface({ input: child.stdout });
  for await (const line of lines) return line;
  throw new Error('a process ended before it said anything');
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}
