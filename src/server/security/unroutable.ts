import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { html } from 'ghtml';
import type { Telemetry } from '../../telemetry/events.ts';
import { sendProblem, toProblem } from '../problem.ts';
import { isForPeople } from './refuse.ts';

/** As everywhere, and stricter where nothing has to be loaded. */
export const HEADERS = {
  'content-security-policy': "default-src 'none';frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
};

/**
 * Answers a request whose address cannot be decoded, or has too long a part. Fastify calls no hooks for one, so that
 * nobody knows who asks: what is answered depends on the address alone.
 */
export function answerUnroutable(telemetry: Telemetry) {
  return (error: FastifyError, request: FastifyRequest, reply: FastifyReply): void => {
    reply.headers(HEADERS);
    if (isForPeople(request)) sendText(reply, error);
    else sendProblem(request, reply, error);
    const { method } = request;
    telemetry.emit('http.answered', { method, route: 'unknown', status: reply.statusCode, durationMs: 0, actor: null });
  };
}

function sendText(reply: FastifyReply, error: FastifyError): void {
  const { status, detail } = toProblem(error).problem;
  const page = html`<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Not an address · Sheaf</title></head><body><h1>Not an address</h1><p>${detail}</p><p><a href="/">All runs</a></p></body></html>`;
  reply.code(status).type('text/html; charset=utf-8').send(page);
}
