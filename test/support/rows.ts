/** Rows as the source would give them, with the fields of the real set `Afstemning`. */
export function votes(ids: Iterable<number>): Record<string, unknown>[] {
  return Array.from(ids, (id) => ({
    id,
    nummer: id * 3,
    konklusion: id % 5 === 0 ? null : `Vedtaget\n\n${id} stemmer for "forslaget", æøå; ${'x'.repeat(id % 40)}`,
    vedtaget: id % 2 === 0,
    kommentar: id % 3 === 0 ? '' : null,
    mødeid: 17,
    typeid: (id % 4) + 1,
    sagstrinid: id % 7 === 0 ? null : id,
    opdateringsdato: `2014-09-${String((id % 28) + 1).padStart(2, '0')}T09:05:59.653`,
  }));
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_unused, position) => from + position);
}
