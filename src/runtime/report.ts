export { reportRun } from '../db/queries/run-details.ts';
