import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { fastifyStatic } from '@fastify/static';
import type { FastifyInstance } from 'fastify';

declare module 'fastify' {
  interface FastifyInstance {
    /** Where style sheet and scripts are found. Changes with their content, so that browsers may keep them for ever. */
    assetsUrl: string;
  }
}

const FOLDER = fileURLToPath(new URL('./assets/', import.meta.url));

/** The style sheet and the scripts of the pages; for anyone, since the page to sign in at needs them, too. */
export async function registerAssets(app: FastifyInstance): Promise<void> {
  const prefix = `/assets/${fingerprint()}/`;
  app.decorate('assetsUrl', prefix);
  await app.register(async (scope) => {
    scope.addHook('onRoute', (route) => {
      route.config = { ...route.config, access: 'anyone' };
    });
    await scope.register(fastifyStatic, {
      root: FOLDER,
      prefix,
      wildcard: false,
      globIgnore: ['*.json'],
      index: false,
      decorateReply: false,
      maxAge: '365d',
      immutable: true,
    });
  });
}

function fingerprint(): string {
  const hash = createHash('sha256');
  for (const name of readdirSync(FOLDER).toSorted()) hash.update(name).update(readFileSync(`${FOLDER}/${name}`));
  return hash.digest('hex').slice(0, 12);
}
