import { parseDataset } from '../../../domain/dataset.ts';
import { UsageError } from '../../../domain/errors.ts';
import {
  type ExportFormat,
  exportFormats,
  failurePolicies,
  type HarvestRequest,
  kinds,
  REQUEST_DEFAULTS,
} from '../../../domain/harvest-request.ts';

/** What the form on the page of runs asks for. Throws a UsageError for what makes no sense. */
export function readHarvestForm(form: Readonly<Record<string, unknown>>, out: string): HarvestRequest {
  return {
    ...REQUEST_DEFAULTS,
    dataset: parseDataset(String(form['dataset'] ?? '').trim()),
    maxRecords: readMaxRecords(String(form['maxRecords'] ?? '').replaceAll(/[\s,.]/g, '')),
    formats: [form['format'] ?? []].flat().map(readFormat),
    out,
    onFailure: failurePolicies.find((policy) => policy === form['onFailure']) ?? REQUEST_DEFAULTS.onFailure,
    maxDeletes: readMaxDeletes(String(form['maxDeletes'] ?? '').replaceAll(/[\s%]/g, '')),
    mode: kinds.find((kind) => kind === form['mode']) ?? REQUEST_DEFAULTS.mode,
  };
}

function readFormat(text: unknown): ExportFormat {
  const format = exportFormats.find((each) => each === text);
  if (format !== undefined) return format;
  throw new UsageError(`"${text}" is not a format. Take ${exportFormats.join(', ')}.`, {
    code: 'unknown-format',
    facts: { asked: String(text) },
  });
}

/** A percentage as a share of 1; null for the default. */
function readMaxDeletes(text: string): number | null {
  if (text === '') return null;
  const percent = Number(text.replace(',', '.'));
  if (percent >= 0 && percent <= 100) return percent / 100;
  throw new UsageError(`"${text}" is not a percentage. Give a number from 0 to 100, or nothing for the default.`, {
    code: 'bad-max-deletes',
    facts: { asked: text },
  });
}

function readMaxRecords(text: string): number | null {
  if (text === '') return null;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new UsageError(`"${text}" is not a number of records. Give a whole number from 1, or nothing for all.`, {
    code: 'bad-max-records',
    facts: { asked: text },
  });
}
