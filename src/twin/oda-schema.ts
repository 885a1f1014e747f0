/**
 * The 50 sets of the real service, after its metadata of November 2021.
 *
 * Columns: `name:type`, type i = Int32, h = Int16, s = String, d = DateTime, b = Boolean, `?` = may be null.
 * Navigation: `name=foreignKey` leads to one row of the set called `name`, by a column of the row itself; `name=Target.key`
 * where the set is called otherwise; a `*` behind the key means a collection, and the key is a column of the target.
 * The metadata has no referential constraints: the keys are ours, inferred from the names of the columns.
 */
import { parseEntitySchema, type Schema } from './schema.ts';

const sagColumns =
  'id:i typeid:i kategoriid:i? statusid:i titel:s? titelkort:s? offentlighedskode:s? nummer:s? ' +
  'nummerprefix:s? nummernumerisk:s? nummerpostfix:s? resume:s? afstemningskonklusion:s? periodeid:i ' +
  'afgørelsesresultatkode:s? baggrundsmateriale:s? opdateringsdato:d statsbudgetsag:b? begrundelse:s? ' +
  'paragrafnummer:i? paragraf:s? afgørelsesdato:d? afgørelse:s? rådsmødedato:d? lovnummer:s? ' +
  'lovnummerdato:d? retsinformationsurl:s? fremsatundersagid:i? deltundersagid:i?';

const sets: readonly (readonly [name: string, columns: string, navigation: string])[] = [
  [
    'Afstemning',
    'id:i nummer:i konklusion:s? vedtaget:b kommentar:s? mødeid:i typeid:i sagstrinid:i? opdateringsdato:d',
    'Stemme=afstemningid* Afstemningstype=typeid Møde=mødeid Sagstrin=sagstrinid',
  ],
  ['Afstemningstype', 'id:i type:s? opdateringsdato:d', 'Afstemning=typeid*'],
  ['Aktstykke', sagColumns, ''],
  [
    'Aktør',
    'id:i typeid:i gruppenavnkort:s? navn:s? fornavn:s? efternavn:s? biografi:s? periodeid:i? ' +
      'opdateringsdato:d startdato:d? slutdato:d?',
    'FraAktørAktør=AktørAktør.fraaktørid* TilAktørAktør=AktørAktør.tilaktørid* DokumentAktør=aktørid* ' +
      'MødeAktør=aktørid* SagAktør=aktørid* SagstrinAktør=aktørid* Stemme=aktørid* Aktørtype=typeid ' +
      'Periode=periodeid',
  ],
  [
    'AktørAktør',
    'id:i fraaktørid:i tilaktørid:i startdato:d? slutdato:d? opdateringsdato:d rolleid:i',
    'FraAktør=Aktør.fraaktørid TilAktør=Aktør.tilaktørid AktørAktørRolle=rolleid',
  ],
  ['AktørAktørRolle', 'id:i rolle:s? opdateringsdato:d', 'AktørAktør=rolleid*'],
  ['Aktørtype', 'id:i type:s? opdateringsdato:d', 'Aktør=typeid*'],
  ['Almdel', sagColumns, ''],
  [
    'Dagsordenspunkt',
    'id:i kørebemærkning:s? titel:s? kommentar:s? nummer:s? forhandlingskode:s? forhandling:s? superid:i? ' +
      'sagstrinid:i? mødeid:i offentlighedskode:s? opdateringsdato:d?',
    'Dagsordenspunktdelti=Dagsordenspunkt.superid* DagsordenspunktDokument=dagsordenspunktid* ' +
      'DagsordenspunktSag=dagsordenspunktid* DeltfraDagsordenspunkt=Dagsordenspunkt.superid Møde=mødeid ' +
      'Sagstrin=sagstrinid',
  ],
  [
    'DagsordenspunktDokument',
    'id:i dokumentid:i dagsordenspunktid:i note:s? opdateringsdato:d',
    'Dagsordenspunkt=dagsordenspunktid Dokument=dokumentid',
  ],
  [
    'DagsordenspunktSag',
    'id:i dagsordenspunktid:i sagid:i opdateringsdato:d',
    'Dagsordenspunkt=dagsordenspunktid Sag=sagid',
  ],
  ['Debat', sagColumns, ''],
  [
    'Dokument',
    'id:i typeid:i kategoriid:i statusid:i offentlighedskode:s? titel:s? dato:d modtagelsesdato:d? ' +
      'frigivelsesdato:d? paragraf:s? paragrafnummer:s? spørgsmålsordlyd:s? spørgsmålstitel:s? spørgsmålsid:i? ' +
      'procedurenummer:s? grundnotatstatus:s? dagsordenudgavenummer:h? opdateringsdato:d',
    'DagsordenspunktDokument=dokumentid* SvarDokumenter=Dokument.spørgsmålsid* DokumentAktør=dokumentid* ' +
      'EmneordDokument=dokumentid* Fil=dokumentid* Omtryk=dokumentid* SagDokument=dokumentid* ' +
      'SagstrinDokument=dokumentid* SpørgsmålsDokument=Dokument.spørgsmålsid Dokumentkategori=kategoriid ' +
      'Dokumentstatus=statusid Dokumenttype=typeid',
  ],
  [
    'DokumentAktør',
    'id:i dokumentid:i aktørid:i opdateringsdato:d rolleid:i',
    'Aktør=aktørid Dokument=dokumentid DokumentAktørRolle=rolleid',
  ],
  ['DokumentAktørRolle', 'id:i rolle:s? opdateringsdato:d', 'DokumentAktør=rolleid*'],
  ['Dokumentkategori', 'id:i kategori:s? opdateringsdato:d', 'Dokument=kategoriid*'],
  ['Dokumenttype', 'id:i type:s? opdateringsdato:d', 'Dokument=typeid*'],
  ['Dokumentstatus', 'id:i status:s? opdateringsdato:d', 'Dokument=statusid*'],
  [
    'Emneord',
    'id:i typeid:i emneord:s? opdateringsdato:d',
    'EmneordDokument=emneordid* EmneordSag=emneordid* Emneordstype=typeid',
  ],
  ['EmneordDokument', 'id:i emneordid:i dokumentid:i opdateringsdato:d', 'Dokument=dokumentid Emneord=emneordid'],
  ['EmneordSag', 'id:i emneordid:i sagid:i opdateringsdato:d', 'Emneord=emneordid Sag=sagid'],
  ['Emneordstype', 'id:i type:s? opdateringsdato:d', 'Emneord=typeid*'],
  ['EUsag', sagColumns, ''],
  ['Forslag', sagColumns, ''],
  [
    'Fil',
    'id:i dokumentid:i titel:s? versionsdato:d filurl:s? opdateringsdato:d variantkode:s? format:s?',
    'Dokument=dokumentid',
  ],
  ['KolloneBeskrivelse', 'id:i entitetnavn:s? kollonenavn:s? beskrivelse:s? opdateringsdato:d?', ''],
  ['EntitetBeskrivelse', 'id:i entitetnavn:s? beskrivelse:s? opdateringsdato:d?', ''],
  [
    'Møde',
    'id:i titel:s? lokale:s? nummer:s? dagsordenurl:s? starttidsbemærkning:s? offentlighedskode:s? dato:d? ' +
      'statusid:i? typeid:i? periodeid:i opdateringsdato:d',
    'Afstemning=mødeid* Dagsordenspunkt=mødeid* MødeAktør=mødeid* Mødestatus=statusid Mødetype=typeid ' +
      'Periode=periodeid',
  ],
  ['MødeAktør', 'id:i mødeid:i aktørid:i opdateringsdato:d', 'Aktør=aktørid Møde=mødeid'],
  ['Mødestatus', 'id:i status:s? opdateringsdato:d', 'Møde=statusid*'],
  ['Mødetype', 'id:i type:s? opdateringsdato:d', 'Møde=typeid*'],
  ['Omtryk', 'id:i dokumentid:i dato:d? begrundelse:s? opdateringsdato:d', 'Dokument=dokumentid'],
  [
    'Periode',
    'id:i startdato:d slutdato:d type:s? kode:s? titel:s? opdateringsdato:d',
    'Aktør=periodeid* Møde=periodeid* Sag=periodeid*',
  ],
  [
    'Sag',
    sagColumns,
    'DagsordenspunktSag=sagid* EmneordSag=sagid* Sagerdelti=Sag.deltundersagid* ' +
      'Sagerfremsatunder=Sag.fremsatundersagid* SagAktør=sagid* SagDokument=sagid* Sagstrin=sagid* ' +
      'Periode=periodeid DeltfraSag=Sag.deltundersagid FremsatunderSag=Sag.fremsatundersagid ' +
      'Sagskategori=kategoriid Sagsstatus=statusid Sagstype=typeid',
  ],
  ['SagAktør', 'id:i aktørid:i sagid:i opdateringsdato:d rolleid:i', 'Aktør=aktørid Sag=sagid SagAktørRolle=rolleid'],
  ['SagAktørRolle', 'id:i rolle:s? opdateringsdato:d', 'SagAktør=rolleid*'],
  [
    'SagDokument',
    'id:i sagid:i dokumentid:i bilagsnummer:s? frigivelsesdato:d? opdateringsdato:d rolleid:i',
    'Dokument=dokumentid Sag=sagid SagDokumentRolle=rolleid',
  ],
  ['SagDokumentRolle', 'id:i rolle:s? opdateringsdato:d', 'SagDokument=rolleid*'],
  ['Sagskategori', 'id:i kategori:s? opdateringsdato:d', 'Sag=kategoriid*'],
  ['Sagsstatus', 'id:i status:s? opdateringsdato:d', 'Sag=statusid*'],
  [
    'Sagstrin',
    'id:i titel:s? dato:d? sagid:i typeid:i folketingstidendeurl:s? folketingstidende:s? ' +
      'folketingstidendesidenummer:s? statusid:i opdateringsdato:d',
    'Afstemning=sagstrinid* Dagsordenspunkt=sagstrinid* SagstrinAktør=sagstrinid* ' +
      'SagstrinDokument=sagstrinid* Sag=sagid Sagstrinsstatus=statusid Sagstrinstype=typeid',
  ],
  [
    'SagstrinAktør',
    'id:i sagstrinid:i aktørid:i opdateringsdato:d rolleid:i',
    'Aktør=aktørid Sagstrin=sagstrinid SagstrinAktørRolle=rolleid',
  ],
  ['SagstrinAktørRolle', 'id:i rolle:s? opdateringsdato:d', 'SagstrinAktør=rolleid*'],
  [
    'Sambehandlinger',
    'id:i førstesagstrinid:i andetsagstrinid:i opdateringsdato:d',
    'AndetSagstrin=Sagstrin.andetsagstrinid FørsteSagstrin=Sagstrin.førstesagstrinid',
  ],
  ['SagstrinDokument', 'id:i sagstrinid:i dokumentid:i opdateringsdato:d', 'Dokument=dokumentid Sagstrin=sagstrinid'],
  ['Sagstrinsstatus', 'id:i status:s? opdateringsdato:d', 'Sagstrin=statusid*'],
  ['Sagstrinstype', 'id:i type:s? opdateringsdato:d', 'Sagstrin=typeid*'],
  ['Sagstype', 'id:i type:s? opdateringsdato:d', 'Sag=typeid*'],
  [
    'Stemme',
    'id:i typeid:i? afstemningid:i aktørid:i opdateringsdato:d',
    'Afstemning=afstemningid Aktør=aktørid Stemmetype=typeid',
  ],
  ['Stemmetype', 'id:i type:s? opdateringsdato:d', 'Stemme=typeid*'],
];

/** Every set of the real service by its name, in the order of its service document. */
export const odaSchema: Schema = new Map(
  sets.map(([name, columns, navigation]) => [name, parseEntitySchema(name, columns, navigation)]),
);
