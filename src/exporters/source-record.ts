import { parseLossless } from '../domain/json-text.ts';
import type { ExportRecord, Fields } from './exporter.ts';

/** A record as the source gave it. */
export class SourceRecord implements ExportRecord {
  readonly text: string;
  #fields: Fields | undefined;

  constructor(text: string) {
    this.text = onOneLine(text);
  }

  get fields(): Fields {
    this.#fields ??= parseFields(this.text);
    return this.#fields;
  }
}

/** A record in another shape, whose text is made from its fields. */
export class ShapedRecord implements ExportRecord {
  readonly #source: string;
  readonly #transform: (record: Fields) => Fields;
  #fields: Fields | undefined;
  #text: string | undefined;

  constructor(source: string, transform: (record: Fields) => Fields) {
    this.#source = source;
    this.#transform = transform;
  }

  get fields(): Fields {
    this.#fields ??= this.#transform(parseFields(this.#source));
    return this.#fields;
  }

  get text(): string {
    this.#text ??= JSON.stringify(this.fields);
    return this.#text;
  }
}

/** In JSON, a line break can only stand between tokens, where a space does as well. There is hardly ever one, and to look for it costs next to nothing. */
function onOneLine(text: string): string {
  return text.includes('\n') || text.includes('\r') ? text.replaceAll(/[\r\n]/g, ' ') : text;
}

function parseFields(text: string): Fields {
  const value = parseLossless(text);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new TypeError(`a record is a JSON object, but this is ${text.slice(0, 40)}`);
}
