/**
 * The verifying half of Standard Webhooks, written from its specification and not from our code: throws for what a
 * receiver must not believe.
 */
export async function verifyWebhook(secret: string, headers: Headers, body: string): Promise<unknown> {
  const [id, timestamp, signatures] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) =>
    headers.get(name),
  );
  if (!id || !timestamp || !signatures) throw new Error('a header is missing');
  if (Math.abs(Date.now() / 1_000 - Number(timestamp)) > 300) throw new Error('too old, or from the future');
  const bytes = Uint8Array.from(atob(secret.slice('whsec_'.length)), (letter) => letter.charCodeAt(0));
  const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['verify']);
  const content = new TextEncoder().encode(`${id}.${timestamp}.${body}`);
  for (const each of signatures.split(' ')) {
    const [version, signature = ''] = each.split(',');
    const given = Uint8Array.from(atob(signature), (letter) => letter.charCodeAt(0));
    if (version === 'v1' && (await crypto.subtle.verify('HMAC', key, given, content))) return JSON.parse(body);
  }
  throw new Error('no signature fits');
}
