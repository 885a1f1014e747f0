/**
 * How much of a set there is. `rows` is at scale 1, `density` the share of ids in use between the first and the last.
 * `fixed` sets are look-ups, the same size at every scale; `least` is the fewest rows whatever the scale.
 */
export type Volume = {
  readonly rows: number;
  readonly density: number;
  readonly isFixed?: boolean;
  readonly least?: number;
};

const lookUp = (rows: number): Volume => ({ rows, density: 1, isFixed: true });

/** Measured: everything before the line, except for the densities of Sag and Stemme. Behind it: guesses of a likely size. */
const volumes: Readonly<Record<string, Volume>> = {
  Stemme: { rows: 1_839_500, density: 0.77 },
  Sag: { rows: 98_000, density: 0.95 },
  // A parliament of 179 needs its members even at a small scale.
  Aktør: { rows: 18_100, density: 0.88, least: 400 },
  Afstemning: { rows: 10_500, density: 0.99 },
  Dagsordenspunkt: { rows: 21_300, density: 0.39 },
  DagsordenspunktDokument: { rows: 19_000, density: 0.3 },
  DagsordenspunktSag: { rows: 4_400, density: 0.28 },
  Debat: { rows: 2_100, density: 0.026 },
  Afstemningstype: lookUp(4),
  AktørAktørRolle: lookUp(24),
  Aktørtype: lookUp(12),
  SagAktørRolle: lookUp(19),
  // ---
  Almdel: { rows: 1_500, density: 0.02 },
  Aktstykke: { rows: 1_500, density: 0.02 },
  EUsag: { rows: 9_000, density: 0.09 },
  Forslag: { rows: 6_500, density: 0.07 },
  AktørAktør: { rows: 40_000, density: 0.8 },
  Dokument: { rows: 400_000, density: 0.33 },
  DokumentAktør: { rows: 500_000, density: 0.6 },
  Emneord: { rows: 9_000, density: 0.9 },
  EmneordDokument: { rows: 60_000, density: 0.7 },
  EmneordSag: { rows: 150_000, density: 0.8 },
  Fil: { rows: 450_000, density: 0.4 },
  Møde: { rows: 15_500, density: 0.95 },
  MødeAktør: { rows: 150_000, density: 0.7 },
  Omtryk: { rows: 1_200, density: 0.8 },
  SagAktør: { rows: 300_000, density: 0.8 },
  SagDokument: { rows: 420_000, density: 0.5 },
  Sagstrin: { rows: 200_000, density: 0.75 },
  SagstrinAktør: { rows: 250_000, density: 0.7 },
  SagstrinDokument: { rows: 200_000, density: 0.7 },
  Periode: { rows: 160, density: 0.95, isFixed: true },
  Sambehandlinger: lookUp(0),
  KolloneBeskrivelse: lookUp(120),
  EntitetBeskrivelse: lookUp(50),
  Stemmetype: lookUp(4),
};

const otherLookUp = lookUp(14);

/** The volume of a set; a set not listed is a small look-up. */
export function volumeOf(entity: string): Volume {
  return volumes[entity] ?? otherLookUp;
}

/** The rows of a set at a scale. */
export function rowCount(entity: string, scale: number): number {
  const volume = volumeOf(entity);
  return volume.isFixed === true ? volume.rows : Math.max(volume.least ?? 0, Math.round(volume.rows * scale));
}
