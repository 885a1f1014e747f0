import type { FastifyInstance } from 'fastify';
import { html } from 'ghtml';
import { listRuns } from '../../db/queries/runs.ts';
import type { ServerContext } from '../server-context.ts';

/** The pages for people. */
export function registerPages(app: FastifyInstance, { database }: ServerContext): void {
  app.get('/', async (_request, reply) => {
    const runs = await listRuns(database, { limit: 20 });
    reply.type('text/html; charset=utf-8');
    return html`<!doctype html><title>Runs</title><ul>!${runs.map((run) => html`<li>${run.id} ${run.dataset} ${run.state}</li>`)}</ul>`;
  });
}
