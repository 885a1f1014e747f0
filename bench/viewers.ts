// Viewers of a page: `node bench/viewers.ts <how many>`, with the address of the page's events as its input. Reads for as
// long as there are events.
import { text } from 'node:stream/consumers';

const many = Number(process.argv[2] ?? 10);
process.stdout.write('ready\n');
const address = await text(process.stdin);
const answers = await Promise.all(Array.from({ length: many }, () => fetch(address)));
await Promise.all(answers.map((answer) => answer.arrayBuffer()));
