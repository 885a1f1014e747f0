import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where Chromium is installed, as Debian's package or another's; null where it is not. */
export function findChromium(): string | null {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const candidates = ['chromium', 'chromium-browser'].flatMap((name) => folders.map((folder) => join(folder, name)));
  return candidates.find((path) => existsSync(path)) ?? null;
}
