// Installs what is missing, before `npm start` and `npm test`. Runs on the machine's own Node (20 or newer), before
// anything is installed. Done when the lock file has not changed since the last time.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const stamp = `${root}node_modules/.set-up`;
const lock = createHash('sha256')
  .update(readFileSync(`${root}package-lock.json`))
  .digest('hex');
const wanted = `${lock} ${process.platform} ${process.arch}`;

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
  console.error('Installing what Sheaf is made of ...');
  // `npm ci` insists on an entry for the optional binaries of every platform, which not every registry mirror has.
  const args = ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'];
  const { status } = spawnSync('npm', args, {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  });
  if (status !== 0) {
    console.error('npm install failed; see above. It needs the npm registry.');
    process.exit(status ?? 1);
  }
  writeFileSync(stamp, wanted);
}
