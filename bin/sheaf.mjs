// Runs the TypeScript of a checkout, which Node 24 takes as it is, or the compiled JavaScript of a published package.
import { existsSync } from 'node:fs';
import nodeModule from 'node:module';
import { fileURLToPath } from 'node:url';

if (Number(process.versions.node.split('.')[0]) < 24) {
  console.error(
    `sheaf needs Node 24 or newer; this is Node ${process.versions.node}. In a checkout, run \`npm install\` first.`,
  );
  process.exit(1);
}
// Compiled code is kept beside the packages, which whoever may write there could change anyway: a command starts in half the time.
nodeModule.enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/sheaf', import.meta.url)));
const entry = new URL('../src/cli/main.ts', import.meta.url);
const { main } = await import(existsSync(entry) ? entry.href : new URL('../dist/cli/main.js', import.meta.url).href);
await main(process.argv);
