import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { allowInlineStyles } from '../security/headers.ts';
import { sessionCookie } from '../security/session-cookie.ts';
import type { ServerContext } from '../server-context.ts';
import { tags } from './operation.ts';

const DESCRIPTION = `Starts, watches and steers harvests, and reads what they brought.

Errors are problem details (RFC 9457) with a stable \`code\`. Lists come in pages: give \`next\` as \`cursor\`. Reads have
an ETag. docs/api.md has examples.`;

/** The OpenAPI document of the routes that are registered after this, and its page. */
export async function registerDocumentation(
  app: FastifyInstance,
  { version, database }: Pick<ServerContext, 'version' | 'database'>,
): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Sheaf', description: DESCRIPTION, version, license: { name: 'MIT', identifier: 'MIT' } },
      servers: [{ url: '/' }],
      tags: [...tags],
      security: [{ bearer: [] }, { session: [] }],
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: 'A token, as `Authorization: Bearer …`.' },
          session: {
            type: 'apiKey',
            in: 'cookie',
            name: await sessionCookie(database),
            description: 'Signed in on the pages.',
          },
        },
      },
    },
    transform: jsonSchemaTransform,
    transformObject: (document) =>
      withoutUnused(jsonSchemaTransformObject(document) as object) as ReturnType<typeof jsonSchemaTransformObject>,
  });
  app.get('/openapi.json', { schema: { hide: true } }, async (_request, reply) => {
    reply.type('application/json; charset=utf-8');
    return JSON.stringify(app.swagger());
  });
  await app.register(async (scope) => {
    allowInlineStyles(scope);
    await scope.register(swaggerUi, {
      routePrefix: '/docs',
      indexPrefix: '/api',
      uiConfig: { url: '/api/openapi.json', docExpansion: 'list', deepLinking: false, persistAuthorization: false },
    });
  });
}

interface Schemas {
  readonly paths?: unknown;
  readonly components?: { readonly schemas?: Readonly<Record<string, unknown>> };
}

/** Each named schema comes as what is taken and as what is answered; only those that the document refers to stay. */
function withoutUnused<Document extends object>(document: Document & Schemas): Document {
  const schemas = document.components?.schemas ?? {};
  const used = new Set<string>();
  const visit = (part: unknown): void => {
    for (const [, name = ''] of JSON.stringify(part ?? null).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      if (used.has(name)) continue;
      used.add(name);
      visit(schemas[name]);
    }
  };
  visit(document.paths);
  const kept = Object.fromEntries(Object.entries(schemas).filter(([name]) => used.has(name)));
  return { ...document, components: { ...document.components, schemas: kept } };
}
