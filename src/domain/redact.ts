const SECRET_PARAMETER = /([?&](?:[^=&#\s]*(?:key|token|secret|password|passwd|auth|signature)[^=&#\s]*)=)[^&#\s"']+/gi;
const CREDENTIALS = /\b([a-z][a-z0-9+.-]*:\/\/)[^/?#\s"'@]*(?::[^/?#\s"']*)?@/gi;

/**
 * Takes secrets out of a text that may contain URLs: the user and password before the `@`, and the values of query
 * parameters that look like credentials. Every URL that reaches a log, an error or a report goes through here.
 */
export function redact(text: string): string {
  return text.replace(CREDENTIALS, '$1***@').replace(SECRET_PARAMETER, '$1***');
}
