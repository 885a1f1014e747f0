import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { declaredMetrics } from '../server/declared-metrics.ts';
import { parseExposition } from '../server/scrape.ts';
import { startServedFleet } from '../server/setup.ts';
import { readAlertRules } from './alert-rules.ts';
import { parsePromql } from './promql.ts';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly w: number };
  readonly targets?: readonly { readonly expr: string }[];
}

const rules = readAlertRules(read('deploy/prometheus/alerts.yml'));
const dashboard = JSON.parse(read('deploy/grafana/sheaf.json')) as { panels: readonly Panel[] };
const panels = dashboard.panels.filter(({ targets }) => targets !== undefined);
/** What Grafana fills in. */
const filled = (expr: string) => expr.replaceAll('$__rate_interval', '5m');

const expressions = [
  ...rules.map(({ alert, expr }) => [alert, expr] as const),
  ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [`panel ${title}`, filled(expr)] as const)),
];

it.each(expressions)('%s is valid PromQL', (_, expr) => {
  const { faults, selectors } = parsePromql(expr);
  expect(faults, expr).toEqual([]);
  expect(selectors.length).toBeGreaterThan(0);
});

it('names only metrics, labels and states that a server has', async () => {
  const text = await realAnswer();
  const known = await seriesOf(text);
  const samples = parseExposition(text);
  for (const [, expr] of expressions) {
    const { selectors, grouping } = parsePromql(expr);
    for (const { metric, matchers } of selectors) {
      expect([...known.keys()], expr).toContain(metric);
      const series = samples.filter(({ name }) => name === metric);
      for (const { label, operator, value } of matchers) {
        expect([...(known.get(metric) ?? [])], expr).toContain(label);
        if (!ALL_STATES.has(metric) || operator === '=~') continue;
        expect(
          series.map(({ labels }) => labels[label]),
          expr,
        ).toContain(value);
      }
    }
    const all = new Set(selectors.flatMap(({ metric }) => [...(known.get(metric) ?? [])]));
    expect(
      grouping.filter((label) => !all.has(label)),
      expr,
    ).toEqual([]);
  }
}, 30_000);

/** What has a series for every state that there is: one that is asked for must be among them. */
const ALL_STATES = new Set(['sheaf_runs', 'sheaf_slices', 'sheaf_workers', 'sheaf_gate_breaker', 'sheaf_store_up']);

/** Of a server whose process has harvested, and whose source has been in trouble. */
async function realAnswer(): Promise<string> {
  const fleet = await startServedFleet();
  await fleet.context.database.pool.query(`insert into sheaf.gates (source) values ('oda')`);
  await fleet.harvest('oda/Afstemning');
  return (await fetch(`${fleet.url}/metrics`)).text();
}

/** Every series' name in an answer, with the labels it may have. */
async function seriesOf(text: string): Promise<Map<string, ReadonlySet<string>>> {
  const labels = new Map((await declaredMetrics()).map(({ name, labels: names }) => [name, names]));
  const known = new Map<string, ReadonlySet<string>>();
  for (const [, name = '', type] of text.matchAll(/^# TYPE (\S+) (\w+)$/gm)) {
    const own = [...(labels.get(name) ?? []), 'job', 'instance'];
    const ends = type === 'histogram' ? ['_sum', '_count', '_bucket'] : [''];
    for (const end of ends) known.set(`${name}${end}`, new Set(end === '_bucket' ? [...own, 'le'] : own));
  }
  return known.set('up', new Set(['job', 'instance'])); // Prometheus' own
}

describe('the alerts', () => {
  const anchors = [...read('docs/operations.md').matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => anchorOf(title));

  it.each(rules.map((rule) => [rule.alert, rule] as const))('%s says what to do, and where to read on', (_, rule) => {
    const { summary = '', description = '', severity, runbook = '' } = rule.annotations;
    expect(summary.length).toBeGreaterThan(20);
    expect(description.length).toBeGreaterThan(60);
    expect(['critical', 'warning', 'info']).toContain(severity);
    const [file, anchor = ''] = runbook.split('#');
    expect(file).toBe('docs/operations.md');
    expect(anchors).toContain(anchor);
  });

  it('have a name each', () => {
    expect(rules.length).toBeGreaterThan(10);
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
  });
});

/** As GitHub makes them of headings. */
function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} -]/gu, '')
    .replaceAll(' ', '-');
}

it('has a dashboard whose panels have an id each, and fit side by side', () => {
  expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  expect(dashboard.panels.filter(({ gridPos }) => gridPos.x + gridPos.w > 24)).toEqual([]);
});

it('would notice a name that does not exist, and a fault', () => {
  expect(parsePromql('sum by (le (x)').faults).not.toEqual([]);
  expect(parsePromql('rate(nothing_total{a="b"}[5m])')).toEqual({
    faults: [],
    selectors: [{ metric: 'nothing_total', matchers: [{ label: 'a', operator: '=', value: 'b' }] }],
    grouping: [],
  });
  expect(() => readAlertRules('groups:\n    rules:\n      - alert: A\n        expr: {a}\n')).toThrow(/alerts.yml/);
});
