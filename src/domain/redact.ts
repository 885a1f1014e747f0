const CREDENTIALS = /\b([a-z][a-z0-9+.-]{0,30}:\/\/)[^/?#\s"']*@/gi;
const PARAMETER = /([?&])([^=&?#\s]*)=([^&#\s"']+)/g;
const SECRET_NAME = /key|token|secret|password|passwd|auth|signature/i;

/**
 * Takes secrets out of a text that may contain URLs: the user and password before the `@`, and the values of query
 * parameters that look like credentials. Every URL that reaches a log, an error or a report goes through here.
 */
export function redact(text: string): string {
  return text
    .replace(CREDENTIALS, '$1***@')
    .replace(PARAMETER, (whole, mark: string, name: string) => (SECRET_NAME.test(name) ? `${mark}${name}=***` : whole));
}

/** The value of a setting that may be a URL, or one that is mistyped: nothing before an `@` is shown, with or without a scheme. */
export function withoutCredentials(value: string): string {
  return redact(value).replace(/^(?![a-z][a-z0-9+.-]*:\/\/)[^/?#\s]*@/i, '***@');
}
