import { type OptionName, optionNames, options } from './options.ts';

/** The text of docs/settings.md: every setting with its meaning, its default and the values it takes. */
export function renderSettingsDoc(): string {
  const rows = optionNames.map((name) => {
    const { summary, fallback } = options[name];
    return `| \`${name}\` | ${cell(summary)} | ${cell(fallback)} | ${cell(expectationOf(name))} |`;
  });
  return `${INTRODUCTION}\n${rows.join('\n')}\n`;
}

const INTRODUCTION = `# Settings

Written by \`npm run docs\` from \`src/config/options.ts\`; change that file, not this one.

Sheaf reads its settings from the environment. A file \`.env\` in the working directory is read too; what is set in the
environment wins. An empty value counts as unset. A value that does not fit, or a \`SHEAF_…\` name that is not in this
table, ends the command with exit code 2 and says what was expected.

| setting | meaning | default | takes |
|---|---|---|---|`;

/** What the schema answers to a value that no setting can have: the same words that a person with a bad value reads. */
function expectationOf(name: OptionName): string {
  const parsed = options[name].schema.safeParse('\0');
  return parsed.success ? 'any text' : (parsed.error.issues[0]?.message ?? 'any text');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}
