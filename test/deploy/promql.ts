import { parser } from '@prometheus-io/lezer-promql';

export interface Selector {
  readonly metric: string;
  readonly matchers: readonly { readonly label: string; readonly operator: string; readonly value: string }[];
}

export interface Expression {
  /** Where the parser could make nothing of it; empty for a valid expression. */
  readonly faults: readonly string[];
  readonly selectors: readonly Selector[];
  /** Of `by`, `without`, `on` and `ignoring`. */
  readonly grouping: readonly string[];
}

/** Reads an expression with the grammar that Prometheus' own editor uses. */
export function parsePromql(text: string): Expression {
  const faults: string[] = [];
  const grouping: string[] = [];
  const selectors: { metric: string; matchers: { label: string; operator: string; value: string }[] }[] = [];
  parser.parse(text).iterate({
    enter: ({ type, from, to, node }) => {
      const words = text.slice(from, to);
      const above = node.parent?.name;
      if (type.isError) faults.push(`at ${from}: ${text.slice(from, from + 20)}`);
      if (type.name === 'VectorSelector') selectors.push({ metric: '', matchers: [] });
      const last = selectors.at(-1);
      if (type.name === 'Identifier' && above === 'VectorSelector' && last !== undefined) last.metric = words;
      if (type.name === 'UnquotedLabelMatcher') {
        const [, label = '', operator = '', value = ''] = /^(\w+)\s*(=~|!~|!=|=)\s*"(.*)"$/.exec(words) ?? [];
        last?.matchers.push({ label, operator, value });
      }
      if (type.name === 'LabelName' && above === 'GroupingLabels') grouping.push(words);
    },
  });
  return { faults, selectors, grouping };
}
