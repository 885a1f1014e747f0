// Writes the documents that are made from code: .env.example and docs/settings.md. Run as `npm run docs`.
import { writeFileSync } from 'node:fs';
import { renderEnvExample } from '../src/config/env-example.ts';
import { renderSettingsDoc } from '../src/config/settings-doc.ts';

write('../.env.example', renderEnvExample());
write('../docs/settings.md', renderSettingsDoc());

function write(path: string, text: string): void {
  writeFileSync(new URL(path, import.meta.url), text);
  console.log(`wrote ${path.slice('../'.length)}`);
}
