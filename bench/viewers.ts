// Viewers of a page: `node bench/viewers.ts <address of events> <how many>`. Reads for as long as it runs.
const [address = '', many = '10'] = process.argv.slice(2);

const answers = await Promise.all(Array.from({ length: Number(many) }, () => fetch(address)));
process.stdout.write('here\n');
await Promise.all(answers.map((answer) => answer.arrayBuffer()));
