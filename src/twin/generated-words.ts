import { integerBetween, pick, type Random } from './seeded.ts';

const firstNames =
  'Anne Bodil Christian Ditte Erik Freja Gitte Hans Ida Jørgen Karen Lars Mette Niels Ole Pia Rasmus Søren Trine Ulla Villy Åse Øjvind Zenia'.split(
    ' ',
  );
const lastNames =
  'Andersen Bæk Christensen Dahl Eriksen Frederiksen Gade Høgh Iversen Jensen Kjær Lund Møller Nørby Olsen Poulsen Rønn Sørensen Thygesen Vestager Ågård Østergaard'.split(
    ' ',
  );
const subjects =
  'akutjob,digital post,elektronisk fodlænke,energibesparelser,folkepension,grønlandske mineralprojekter,havmiljø,indfødsret,kommunernes økonomi,landbrugsstøtte,offentlige indkøb,patienters rettigheder,råstoffer,selskabsskat,sundhedsloven,tidsbegrænsede opholdstilladelser,udbetaling Danmark,videregående uddannelser,ældrepleje,økologisk fødevareproduktion'.split(
    ',',
  );
const openings = [
  'Forslag til lov om',
  'Forslag til lov om ændring af lov om',
  'Forslag til folketingsbeslutning om',
  'Er ministeren enig i vurderingen af',
  'Redegørelse om',
  'Høring over udkast til bekendtgørelse om',
  'Drøftelse af svar vedr.',
];
const sentences = [
  'Loven fastsætter regler for sagsbehandling og administration m.v. og om kommunernes pligt til at yde helhedsorienteret vejledning.',
  'Beslutningsforslaget har til formål at forebygge og dermed nedbringe omkostningerne på området, bl.a. gennem bedre udveksling af oplysninger.',
  'Derudover indeholder forslaget bestemmelser om ledelse, bestyrelse og årsregnskab samt regler for finansiering af driften – herunder muligheder for at optage lån.',
  'Loven træder i kraft den 1. oktober; dog træder § 7 og § 9 b (”humanitært ophold”) først i kraft året efter.',
  'Udgifterne skønnes til 12½ mio. kr. årligt, jf. aftalen af 12. juni mellem regeringen og Kommunernes Landsforening.',
];
const bodies = [
  'Finans',
  'Forsvars',
  'Grønlands',
  'Europa',
  'Skatte',
  'Rets',
  'Miljø- og Fødevare',
  'Børne- og Undervisnings',
];

export function personName(random: Random): { fornavn: string; efternavn: string } {
  return { fornavn: pick(random, firstNames), efternavn: pick(random, lastNames) };
}

/** The name of a ministry, a committee or a minister, by the type of actor. */
export function bodyName(random: Random, typeId: number): string {
  const stem = pick(random, bodies);
  if (typeId === 1 || typeId === 8) return `${stem}ministeriet`;
  if (typeId === 2) return `${stem.toLowerCase()}ministeren`;
  return typeId === 3 ? `${stem}udvalget` : `${stem}gruppen`;
}

export function title(random: Random): string {
  return `${pick(random, openings)} ${pick(random, subjects)} og ${pick(random, subjects)}.`;
}

export function shortTitle(random: Random): string {
  return `Om ${pick(random, subjects)}.`;
}

export function keyword(random: Random): string {
  return pick(random, subjects);
}

/** A text of about so many sentences. */
export function paragraph(random: Random, fewest: number, most: number): string {
  const count = integerBetween(random, fewest, most);
  return Array.from(
    { length: count },
    (_nothing, index) => pick(random, sentences) + (index % 3 === 2 ? '\n\n' : ' '),
  ).join('');
}

/** What the look-up sets hold; sets not listed get numbered names. */
export const lookUps: Readonly<Record<string, readonly string[]>> = {
  Stemmetype: ['For', 'Imod', 'Fravær', 'Hverken for eller imod'],
  Afstemningstype: ['Endelig vedtagelse', 'Udvalgsindstilling', 'Forslag til vedtagelse', 'Ændringsforslag'],
  Aktørtype:
    'Ministerområde,Ministertitel,Udvalg,Folketingsgruppe,Person,Gruppe,Anden gruppe,Ministerium,Kommission,Organisation,Parlamentarisk forsamling,Privatperson'.split(
      ',',
    ),
  SagAktørRolle:
    'Taler,Ordfører for forslagsstillerne,Tidligere henvist til,Af,Medspørger,Ministerområde,Privatist,Kopi sendt til,Relevant for,Spørger,Henvist til,Udsteder,Optaget af,Minister,Forespørger,Forslagsstiller (priv.),Til,Afgivet af,Forslagsstiller (reg.)'.split(
      ',',
    ),
};
