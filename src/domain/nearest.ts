import { closest, distance } from 'fastest-levenshtein';

/** The name most like `asked`, or undefined when none is near enough to be what was meant. Case is ignored. */
export function nearest(asked: string, names: readonly string[]): string | undefined {
  const lowered = asked.toLowerCase();
  const candidates = new Map(names.map((name) => [name.toLowerCase(), name]));
  if (candidates.size === 0) return undefined;
  const found = closest(lowered, [...candidates.keys()]);
  const isNear = distance(lowered, found) <= Math.max(2, Math.floor(lowered.length / 3));
  return isNear ? candidates.get(found) : undefined;
}

/** ` Did you mean "Sag"?`, or nothing; made to be appended to an error message. */
export function didYouMean(asked: string, names: readonly string[]): string {
  const name = nearest(asked, names);
  return name === undefined ? '' : ` Did you mean "${name}"?`;
}

/** A list of names for an error message, cut when it is long. */
export function listNames(names: readonly string[], most = 12): string {
  const shown = names.slice(0, most).join(', ');
  return names.length > most ? `${shown} and ${names.length - most} more` : shown;
}
