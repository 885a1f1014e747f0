import { parseArgs } from 'node:util';
import type { Behaviour } from './behaviour.ts';
import { loadFolder } from './folder-data.ts';
import { generateData } from './generated-data.ts';
import { startTwin } from './start-twin.ts';
import type { TwinData } from './twin-data.ts';

const usage = `usage: node src/twin/main.ts (--folder DIR | --scale N [--seed N])
  [--port N] [--host NAME] [--latency MS] [--request-log FILE] [--behaviour JSON]`;

await main();

async function main(): Promise<void> {
  const values = readArguments();
  if (values === null) return fail(usage);
  const port = readNumber('port', values.port ?? '0');
  const latencyMs = readNumber('latency', values.latency ?? '0');
  const twin = await startTwin({
    dataset: readDataset(values),
    port,
    ...(values.latency === undefined ? {} : { latencyMs }),
    ...(values.host === undefined ? {} : { host: values.host }),
    ...(values['request-log'] === undefined ? {} : { requestLogFile: values['request-log'] }),
    ...(values.behaviour === undefined ? {} : { behaviour: JSON.parse(values.behaviour) as Partial<Behaviour> }),
  });
  process.stdout.write(twin.url + '\n');
  const stop = (): void => void twin.stop().then(() => process.exit(0));
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}

type Values = NonNullable<ReturnType<typeof readArguments>>;

function readArguments() {
  const text = { type: 'string' } as const;
  const options = {
    folder: text,
    scale: text,
    seed: text,
    port: text,
    host: text,
    latency: text,
    'request-log': text,
    behaviour: text,
  };
  try {
    return parseArgs({ options }).values;
  } catch {
    return null;
  }
}

function readDataset(values: Values): TwinData {
  if (values.folder !== undefined) return loadFolder(values.folder);
  return generateData({
    seed: readNumber('seed', values.seed ?? '1'),
    scale: readNumber('scale', values.scale ?? '0.01'),
  });
}

function readNumber(name: string, text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value;
  return fail(`--${name}: expected a number from 0, not "${text}".`);
}

function fail(message: string): never {
  process.stderr.write(message + '\n');
  process.exit(2);
}
