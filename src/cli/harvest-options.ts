import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Settings } from '../config/options.ts';
import { parseDataset } from '../domain/dataset.ts';
import { type DriftPolicy, driftPolicies } from '../domain/drift.ts';
import { UsageError } from '../domain/errors.ts';
import {
  checkSince,
  REQUEST_DEFAULTS as defaults,
  type ExportFormat,
  exportFormats,
  type FailurePolicy,
  failurePolicies,
  type HarvestRequest,
  type Shape,
  type Strategy,
  shapes,
  strategies,
} from '../domain/harvest-request.ts';
import { didYouMean } from '../domain/nearest.ts';
import { type RelationForm, relationForms, tidyPaths } from '../domain/relations.ts';

/** What the options that say *what* to harvest come out as; shared by `harvest` and `plan`. */
export interface SelectionFlags {
  readonly filter?: string;
  readonly select?: readonly string[];
  readonly maxRecords?: number;
  readonly expand?: readonly string[];
  readonly strategy?: Strategy;
  readonly sweep?: boolean;
  readonly step?: boolean;
  readonly since?: string;
  readonly keysOnly?: boolean;
}

/** What the options that say *how* come out as. */
export interface HarvestFlags extends SelectionFlags {
  readonly format: readonly ExportFormat[];
  readonly shape: Shape;
  readonly out?: string;
  readonly onFailure: FailurePolicy;
  readonly maxDeletes?: number;
  readonly onDrift: DriftPolicy;
  readonly relations: RelationForm;
}

export function addSelectionOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--sweep', 'all of it, and what is gone from the source is marked (default)').conflicts([
        'step',
        'since',
      ]),
    )
    .option('--step', 'only what has changed since the last complete run of the same; a sweep where there was none')
    .option(
      '--since <time>',
      "only what has changed since then, by the source's clock, e.g. 2025-01-31T12:00:00",
      checkSince,
    )
    .addOption(
      new Option(
        '--keys-only',
        'a sweep over keys and timestamps alone: marks what is gone at a fraction of the bytes, and counts the rest that differs',
      ).conflicts(['step', 'since', 'filter', 'select', 'maxRecords', 'format', 'shape', 'out']),
    )
    .option('--filter <expression>', "only records that fit, in the source's own filter language")
    .option(
      '--select <fields>',
      'only these fields, separated by commas, and in files only: the table is left as it is',
      commaList,
    )
    .option(
      '--expand <relations>',
      'store the records that these relations lead to as well, e.g. SagAktør/Aktør; separated by commas, or given again',
      (text: string, before?: readonly string[]) => [...(before ?? []), ...commaList(text)],
    )
    .option('--max-records <n>', 'stop after this many records, in key order', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .addOption(
      new Option('--strategy <name>', 'how pages are walked; default: the best the source can').choices(strategies),
    );
}

export function addRateOption(command: Command): Command {
  return command.option(
    '--rate <n>',
    'requests a second to a source at most, 0 for no limit (default: 5 for a public API)',
    rate,
  );
}

export function toRequest(
  dataset: string,
  flags: SelectionFlags & Partial<HarvestFlags>,
  settings: Settings,
): HarvestRequest {
  return {
    dataset: parseDataset(dataset),
    filter: flags.filter?.trim() || null,
    select: flags.select ?? defaults.select,
    maxRecords: flags.maxRecords ?? defaults.maxRecords,
    strategy: flags.strategy ?? defaults.strategy,
    formats: flags.keysOnly ? [] : (flags.format ?? defaults.formats),
    shape: flags.shape ?? defaults.shape,
    out: resolve(flags.out || settings.SHEAF_OUT),
    onFailure: flags.onFailure ?? defaults.onFailure,
    maxDeletes: flags.maxDeletes ?? defaults.maxDeletes,
    mode: flags.step || flags.since !== undefined ? 'step' : 'sweep',
    since: flags.since ?? defaults.since,
    onDrift: flags.onDrift ?? defaults.onDrift,
    expand: flags.expand === undefined ? defaults.expand : tidyPaths(flags.expand),
    relations: flags.relations ?? defaults.relations,
    keysOnly: flags.keysOnly ?? defaults.keysOnly,
  };
}

/** The requests for these datasets, each once. Throws a UsageError for options that leave nothing to keep. */
export function toRequests(datasets: readonly string[], flags: HarvestFlags, settings: Settings): HarvestRequest[] {
  if (flags.select !== undefined && flags.format.length === 0) {
    throw new UsageError('--select writes files only, and --format none asks for none: nothing would be kept.', {
      code: 'nothing-to-keep',
    });
  }
  return unique(datasets).map((dataset) => toRequest(dataset, flags, settings));
}

function unique(datasets: readonly string[]): string[] {
  return [...new Map(datasets.map((name) => [JSON.stringify(parseDataset(name)), name])).values()];
}

export function addHarvestOptions(command: Command): Command {
  return addSelectionOptions(command)
    .addOption(formatOption(`files to write: ${exportFormats.join(', ')}, or none`))
    .addOption(
      new Option('--shape <shape>', "the source's own fields, or Sheaf's common ones, in files")
        .choices(shapes)
        .default('source'),
    )
    .addOption(
      new Option(
        '--relations <form>',
        'what --expand brings: a file for each entity, or inside its parents in JSON files',
      )
        .choices(relationForms)
        .default('flat'),
    )
    .option('--out <dir>', 'the folder to write files below (default: SHEAF_OUT, or out)')
    .addOption(
      new Option('--on-failure <policy>', 'when a slice fails for good: publish nothing, or what there is')
        .choices(failurePolicies)
        .default('stop'),
    )
    .addOption(maxDeletesOption())
    .addOption(
      new Option('--on-drift <policy>', "when fields differ from before, or from the source's metadata: go on, or stop")
        .choices(driftPolicies)
        .default('accept'),
    );
}

export function maxDeletesOption(): Option {
  return new Option(
    '--max-deletes <percent>',
    'how much of a dataset may be marked as deleted at once because the source no longer has it (default: 20)',
  ).argParser(share);
}

export function formatOption(description: string): Option {
  return new Option('--format <formats>', description)
    .argParser(formatList)
    .default([...DEFAULT_FORMATS], DEFAULT_FORMATS.join(','));
}

const DEFAULT_FORMATS: readonly ExportFormat[] = ['ndjson', 'csv'];

export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(
      `Expected a whole number from ${least}${most < Number.MAX_SAFE_INTEGER ? ` to ${most}` : ''}.`,
    );
  };
}

/** A percentage, `50` or `50%`, as a share of 1. */
function share(text: string): number {
  const [, digits] = /^(\d+(?:\.\d+)?)\s?%?$/.exec(text) ?? [];
  const value = digits === undefined ? Number.NaN : Number(digits) / 100;
  if (value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError('Expected a percentage from 0 to 100.');
}

function rate(text: string): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 0 && value <= 10_000) return value;
  throw new InvalidArgumentError('Expected a number from 0 to 10000.');
}

function commaList(text: string): string[] {
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (names.length === 0) throw new InvalidArgumentError('Expected names separated by commas.');
  return names;
}

function formatList(text: string): ExportFormat[] {
  if (text.trim() === 'none') return [];
  return commaList(text).map((name) => {
    const format = exportFormats.find((each) => each === name);
    if (format !== undefined) return format;
    throw new UsageError(
      `"${name}" is not a format.${didYouMean(name, exportFormats)} There are ${exportFormats.join(', ')}.`,
      {
        code: 'unknown-format',
        facts: { asked: name },
      },
    );
  });
}
