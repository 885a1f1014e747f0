import helmet, { type FastifyHelmetOptions } from '@fastify/helmet';
import type { FastifyInstance } from 'fastify';

const POLICY = {
  defaultSrc: ["'self'"],
  imgSrc: ["'self'", 'data:'],
  objectSrc: ["'none'"],
  baseUri: ["'self'"],
  formAction: ["'self'"],
  frameAncestors: ["'none'"],
};

/**
 * What browsers are told about everything that this server sends: it may use its own scripts, styles and addresses, and
 * nothing inline; no other site may show it in a frame, or read it. `Strict-Transport-Security` is left to the proxy
 * that has the certificate. Referrers are kept among our own pages, where old browsers prove by them where a form was.
 */
const HEADERS: FastifyHelmetOptions = {
  contentSecurityPolicy: { useDefaults: false, directives: POLICY },
  frameguard: { action: 'deny' },
  referrerPolicy: { policy: 'same-origin' },
  strictTransportSecurity: false,
};

export async function registerHeaders(app: FastifyInstance): Promise<void> {
  await app.register(helmet, HEADERS);
  // What is shown to those who signed in must not be kept by a proxy, nor shown again after they signed out.
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('cache-control', 'private, no-cache');
  });
}

/** For pages of libraries that set styles from their scripts; a style can deceive, but it can run nothing. */
export function allowInlineStyles(scope: FastifyInstance): void {
  const directives = { ...POLICY, styleSrc: ["'self'", "'unsafe-inline'"] };
  scope.addHook('onRequest', async (_request, reply) => {
    await reply.helmet({ ...HEADERS, contentSecurityPolicy: { useDefaults: false, directives } });
  });
}
