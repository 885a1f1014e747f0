import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { onTestFinished } from 'vitest';
import { startTwin, type Twin, type TwinOptions } from '../../src/twin/start-twin.ts';

/** Real records, beside the project; tests over them run only where they are. */
export const realDataFolder = resolve(import.meta.dirname, '../../../shared/data/oda');
export const hasRealData = existsSync(realDataFolder);

export type Collection = {
  'odata.metadata': string;
  'odata.count'?: string | number;
  'odata.nextLink'?: string;
  value: Record<string, unknown>[];
};

export type Client = {
  twin: Twin;
  get: (target: string, init?: RequestInit) => Promise<Response>;
  page: (target: string) => Promise<Collection>;
  ids: (target: string) => Promise<number[]>;
};

/** A running twin that stops with the test, and ways to ask it. */
export async function setup(options: TwinOptions): Promise<Client> {
  const twin = await startTwin(options);
  onTestFinished(() => twin.stop());
  const get: Client['get'] = (target, init) => fetch(new URL(target, twin.url), init);
  const page: Client['page'] = async (target) => {
    const response = await get(target);
    if (response.status !== 200) throw new Error(`${response.status} for ${target}`);
    return (await response.json()) as Collection;
  };
  const ids: Client['ids'] = async (target) => (await page(target)).value.map((row) => Number(row['id']));
  return { twin, get, page, ids };
}

/** Rows of Stemmetype with ids from 1, whose timestamps rise with them. */
export function manyRows(count: number): Record<string, unknown>[] {
  return Array.from({ length: count }, (_nothing, index) => ({
    id: index + 1,
    type: `type ${index + 1}`,
    opdateringsdato: new Date(Date.UTC(2020, 0, 1) + index * 1000).toISOString().slice(0, 19),
  }));
}
