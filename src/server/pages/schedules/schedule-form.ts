import { checkTimetable } from '../../../domain/cron.ts';
import { parseDataset } from '../../../domain/dataset.ts';
import { formatDuration, parseDuration } from '../../../domain/duration.ts';
import { SheafError, UsageError } from '../../../domain/errors.ts';
import { exportFormats, kinds, REQUEST_DEFAULTS } from '../../../domain/harvest-request.ts';
import {
  catchUpPolicies,
  checkScheduleName,
  JITTER_LIMITS,
  type NewSchedule,
  overlapPolicies,
  scheduleDefaults,
  WINDOW_LIMITS,
} from '../../../domain/schedule.ts';

/** What was typed into the form, as it was typed. */
export interface ScheduleForm {
  readonly name: string;
  readonly cron: string;
  readonly timeZone: string;
  /** Separated by blanks, commas or lines. */
  readonly datasets: string;
  readonly mode: string;
  readonly overlap: string;
  readonly catchUp: string;
  readonly catchUpWindow: string;
  readonly jitter: string;
  readonly formats: readonly string[];
}

export type FormField = Exclude<keyof ScheduleForm, 'formats'>;
/** What is wrong with fields; what is wrong with none of them in particular stands above the form. */
export type FormErrors = Readonly<Partial<Record<FormField, string>>>;

export const EMPTY_FORM: ScheduleForm = {
  name: '',
  cron: '',
  timeZone: scheduleDefaults.timeZone,
  datasets: '',
  mode: 'sweep',
  overlap: scheduleDefaults.overlap,
  catchUp: scheduleDefaults.catchUp,
  catchUpWindow: formatDuration(scheduleDefaults.catchUpWindowMs),
  jitter: formatDuration(scheduleDefaults.jitterMs),
  formats: ['ndjson', 'csv'],
};

export function readForm(body: Readonly<Record<string, unknown>>): ScheduleForm {
  const text = (field: FormField) => (typeof body[field] === 'string' ? body[field] : EMPTY_FORM[field]).trim();
  return {
    name: text('name'),
    cron: text('cron'),
    timeZone: text('timeZone'),
    datasets: text('datasets'),
    mode: text('mode'),
    overlap: text('overlap'),
    catchUp: text('catchUp'),
    catchUpWindow: text('catchUpWindow'),
    jitter: text('jitter'),
    formats: [body['formats'] ?? []].flat().map(String),
  };
}

/** The schedule that a form asks for, or what is wrong with its fields: all that can be told without asking a source. */
export function toSchedule(form: ScheduleForm, out: string): { schedule?: NewSchedule; errors: FormErrors } {
  const errors: Partial<Record<FormField, string>> = {};
  const read = <T>(field: FormField, parse: (text: string) => T, otherwise: T): T => {
    try {
      return parse(form[field]);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      errors[field] = error.message;
      return otherwise;
    }
  };
  const name = read('name', checkScheduleName, '');
  const datasets = read('datasets', readDatasets, []);
  const timetable = { cron: form.cron, timeZone: form.timeZone || scheduleDefaults.timeZone };
  try {
    checkTimetable(timetable, new Date());
  } catch (error) {
    const field = fieldOf(error);
    if (field === undefined) throw error;
    errors[field] = (error as UsageError).message;
  }
  const rules = {
    overlap: overlapPolicies.find((policy) => policy === form.overlap) ?? scheduleDefaults.overlap,
    catchUp: catchUpPolicies.find((policy) => policy === form.catchUp) ?? scheduleDefaults.catchUp,
    catchUpWindowMs: read('catchUpWindow', (text) => parseDuration(text, WINDOW_LIMITS), 0),
    jitterMs: read('jitter', (text) => parseDuration(text, JITTER_LIMITS), 0),
  };
  if (Object.keys(errors).length > 0) return { errors };
  const formats = exportFormats.filter((format) => form.formats.includes(format));
  const mode = kinds.find((kind) => kind === form.mode) ?? REQUEST_DEFAULTS.mode;
  const requests = datasets.map((dataset) => ({ ...REQUEST_DEFAULTS, dataset, mode, formats, out }));
  return { schedule: { name, ...timetable, requests, ...rules }, errors };
}

function readDatasets(text: string) {
  const names = [...new Set(text.split(/[\s,;]+/).filter((name) => name !== ''))];
  if (names.length > 0) return names.map(parseDataset);
  throw new UsageError('Name a dataset, e.g. oda/Afstemning.', { code: 'no-datasets' });
}

/** The field that an error of adding a schedule is about; undefined for none in particular. */
export function fieldOf(error: unknown): FormField | undefined {
  return error instanceof SheafError ? FIELDS[error.code] : undefined;
}

const FIELDS: Readonly<Record<string, FormField>> = {
  'bad-schedule-name': 'name',
  'schedule-exists': 'name',
  'bad-cron': 'cron',
  'unknown-time-zone': 'timeZone',
  'bad-jitter': 'jitter',
  'no-datasets': 'datasets',
  'bad-dataset': 'datasets',
  'unknown-source': 'datasets',
  'unknown-entity': 'datasets',
};
