import type { Closing } from './closing.ts';

/** Starts, or joins, the embedded PostgreSQL of a home folder. The last process to close it stops it. */
export async function startEmbedded(
  home: string,
  closing: Closing,
  onProgress?: (text: string) => void,
): Promise<string> {
  const { startEmbeddedPostgres } = await import('../embedded/start-embedded-postgres.ts');
  const postgres = await startEmbeddedPostgres(onProgress === undefined ? { home } : { home, onProgress });
  closing.add(() => postgres.stop());
  return postgres.url;
}
