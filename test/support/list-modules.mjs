// Writes the addresses of all modules that a process has loaded to stderr when it ends: for `node --import`.
import { registerHooks } from 'node:module';

const loaded = [];
registerHooks({
  load: (url, context, next) => {
    loaded.push(url);
    return next(url, context);
  },
});
process.on('exit', () => process.stderr.write(loaded.join('\n')));
