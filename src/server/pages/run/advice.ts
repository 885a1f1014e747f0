/** What to do about an error that a slice has met with; docs/errors.md says more. */
const ADVICE: readonly (readonly [RegExp, string])[] = [
  [/^http-429$/, 'The source throttles. Sheaf slows down by itself; a lower SHEAF_ODA_RATE keeps clear of it.'],
  [/^http-5/, 'The source is ill. Wait until it is well, then retry the failed slices.'],
  [/^http-4|^redirect$/, 'The source does not take the request. Look at the address in the message.'],
  [
    /^(connection-|timeout|unreachable|unknown-host|truncated|bad-http)/,
    'The way to the source is broken. Check network and address, then retry the failed slices.',
  ],
  [
    /^(not-json|wrong-content|not-a-collection|bad-encoding)$/,
    'The source sent something that is not data. Look at what a browser gets there, then retry.',
  ],
  [
    /^(filter|order)-ignored$/,
    'The source did not do what was asked, and going on could lose records. Try another strategy.',
  ],
  [/^poison-slice$/, 'Workers died with this slice. See why (memory? SHEAF_HEAP_MB), then retry it.'],
  [/^body-too-large$/, 'Raise SHEAF_MAX_BODY_MB, or ask for fewer fields.'],
];

export function adviceFor(code: string): string {
  return (
    ADVICE.find(([pattern]) => pattern.test(code))?.[1] ??
    'docs/errors.md tells what this code means; then retry the failed slices.'
  );
}
