import { optionNames, options } from './options.ts';

/** The text of `.env.example`: every setting with its meaning and default, commented out. */
export function renderEnvExample(): string {
  const blocks = optionNames.map((name) => {
    const { summary, fallback } = options[name];
    return `# ${summary}\n# Default: ${fallback}\n# ${name}=\n`;
  });
  return `# Settings of Sheaf. Copy to .env and fill in what should differ from the default.\n# Written by \`npm run docs\` from src/config/options.ts.\n\n${blocks.join('\n')}`;
}
