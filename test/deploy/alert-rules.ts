export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: Readonly<Record<string, string>>;
}

const FIELD = /^(?: {8}| {10})([a-z]+):(?: (.+))?$/;

/**
 * Reads alerts.yml, which keeps to a small part of YAML: whatever it does not know, or YAML might take for something else, is
 * an error.
 */
export function readAlertRules(text: string): AlertRule[] {
  const rules: { alert: string; expr: string; annotations: Record<string, string> }[] = [];
  let isBlock = false;
  for (const line of text.split('\n').filter((each) => each !== '' && !each.startsWith('#'))) {
    const rule = rules.at(-1);
    if (isBlock && line.startsWith(' '.repeat(10)) && rule !== undefined) {
      rule.expr += `${line.trim()}\n`;
      continue;
    }
    isBlock = false;
    if (/^(groups:| {2}- name: \w+| {4}rules:)$/.test(line)) continue;
    const [, alert] = /^ {6}- alert: (\w+)$/.exec(line) ?? [];
    if (alert !== undefined) {
      rules.push({ alert, expr: '', annotations: {} });
      continue;
    }
    const [, name, value = ''] = FIELD.exec(line) ?? [];
    if (name === undefined || rule === undefined || !isPlain(value)) throw new Error(`alerts.yml: "${line}"`);
    if (name === 'expr') {
      isBlock = value === '|';
      rule.expr = isBlock ? '' : value;
    } else if (value !== '') rule.annotations[name] = value;
  }
  return rules;
}

/** What YAML takes for nothing but text. */
function isPlain(value: string): boolean {
  return value === '|' || value === '' || (/^[A-Za-z0-9]/.test(value) && !/: | #|:$/.test(value));
}
