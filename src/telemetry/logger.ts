import { redact } from '../domain/redact.ts';
import type { EventName, SheafEvents, Telemetry } from './events.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';
type WritingLevel = Exclude<LogLevel, 'silent'>;

type LevelOf<Name extends EventName> = WritingLevel | ((event: SheafEvents[Name]) => WritingLevel);

/** At which level each event is logged; `debug` for what happens per page or request. */
const LEVELS: { readonly [Name in EventName]: LevelOf<Name> } = {
  'request.finished': 'debug',
  'request.retried': 'info',
  'gate.closed': 'info',
  'gate.slowed': 'info',
  'gate.narrowed': 'info',
  'gate.breaker': 'warn',
  'run.planned': 'info',
  'run.state': 'info',
  'run.stalled': 'warn',
  'slice.claimed': 'debug',
  'slice.split': 'debug',
  'slice.settled': 'info',
  'pages.staged': 'debug',
  'run.drifted': 'warn',
  'run.reread': 'info',
  'finalise.step': 'info',
  'run.merged': 'info',
  'reconcile.repaired': 'warn',
  'schedule.fired': 'info',
  'schedule.skipped': 'warn',
  'schedule.postponed': 'warn',
  'schedule.failed': 'error',
  'schedule.restored': 'info',
  'worker.started': 'info',
  'worker.stopped': 'info',
  'worker.deaf': 'warn',
  'worker.lost': 'error',
  'server.failed': 'error',
  'connection.trouble': 'warn',
  'notification.delivered': 'info',
  'notification.failed': ({ againInMs }) => (againInMs === null ? 'error' : 'warn'),
  'feed.delivered': 'debug',
  'feed.failed': 'warn',
  'feed.left': 'warn',
  'feed.paused': 'error',
  'feed.gap': 'error',
  'feed.held': 'warn',
  'http.answered': ({ status, route }) => {
    if (status >= 500) return 'error';
    return PROBES.has(route) ? 'debug' : 'info';
  },
};

/** What supervisors and Prometheus ask for every few seconds. */
const PROBES: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics']);

/** Logs every event as one JSON line on stderr. URLs are redacted on the way. Most commands log nothing: pino is only loaded here. */
export async function logEvents(telemetry: Telemetry, level: LogLevel): Promise<void> {
  if (level === 'silent') return;
  const { pino } = await import('pino');
  const logger = pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, hooks: { streamWrite: redact } },
    pino.destination({ dest: 2, sync: true }),
  );
  for (const name of Object.keys(LEVELS) as EventName[]) {
    const levelOf = LEVELS[name] as LevelOf<EventName>;
    if (typeof levelOf === 'string' && !logger.isLevelEnabled(levelOf)) continue;
    const isNews = name === 'connection.trouble' ? createNewsFilter() : () => true;
    telemetry.on(name, (event: SheafEvents[EventName]) => {
      if (isNews(event)) logger[typeof levelOf === 'string' ? levelOf : levelOf(event)](event, name);
    });
  }
}

/** A store that is away is told of by each of its connections, several times a second: once in this time will do. */
const SAME_NEWS_MS = 5_000;

function createNewsFilter(): (event: object) => boolean {
  const toldAt = new Map<string, number>();
  return (event) => {
    const now = performance.now();
    const news = JSON.stringify(event);
    if (now - (toldAt.get(news) ?? Number.NEGATIVE_INFINITY) < SAME_NEWS_MS) return false;
    if (toldAt.size > 100) toldAt.clear();
    toldAt.set(news, now);
    return true;
  };
}
