import type { Exporter } from './exporter.ts';

/** One record a line, each in its own bytes, and a line feed after each: what records come as. No records: an empty file. */
export const ndjsonExporter: Exporter = {
  format: 'ndjson',
  extension: 'ndjson',
  open: () => ({ begin: () => '', encode: ({ bytes }) => bytes, end: () => '' }),
};
