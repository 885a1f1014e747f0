import type { Ajv2020 } from 'ajv/dist/2020.js';

/** The formats that the document uses; an unknown one would be ignored, and is an error by `strict` of whoever adds it. */
export function addFormats(ajv: Ajv2020): void {
  ajv.addFormat(
    'date-time',
    (text: string) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/.test(text) && !Number.isNaN(Date.parse(text)),
  );
}
