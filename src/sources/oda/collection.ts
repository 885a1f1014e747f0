import { bodyStart } from '../../domain/classify.ts';
import { TransientError } from '../../domain/errors.ts';
import { type JsonSlice, sliceElements } from '../../domain/json-bytes.ts';
import { isRow } from '../normalise.ts';

/** The JSON of a collection, as it came. */
export interface Collection {
  readonly envelope: Record<string, unknown>;
  readonly values: readonly unknown[];
  /** Each value as it came. */
  readonly slices: readonly JsonSlice[];
}

/** Throws a TransientError for anything but a collection. */
export function parseCollection(body: Buffer): Collection {
  const envelope = parseJson(body);
  const values = isRow(envelope) ? envelope['value'] : undefined;
  if (!isRow(envelope) || !Array.isArray(values)) throw notCollection(body);
  const slices = sliceElements(body, 'value');
  if (slices?.length !== values.length) throw notCollection(body);
  return { envelope, values, slices };
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch (error) {
    const start = bodyStart(body);
    throw new TransientError(`The answer is not JSON, or cut short: ${start || '(empty)'}`, {
      code: 'not-json',
      facts: { bodyStart: start, length: body.length },
      cause: error,
    });
  }
}

function notCollection(body: Buffer): TransientError {
  const start = bodyStart(body);
  return new TransientError(`The answer is JSON, but not a collection with "value": ${start}`, {
    code: 'not-a-collection',
    facts: { bodyStart: start },
  });
}
