// Viewers of a page: `node bench/viewers.ts <address of its events> <how many>`. Says so when each has been sent something,
// and reads for as long as there are events.
const [address = '', many = '10'] = process.argv.slice(2);

const streams = await Promise.all(Array.from({ length: Number(many) }, async () => (await fetch(address)).body));
const readers = streams.flatMap((stream) => stream?.getReader() ?? []);
await Promise.all(readers.map((reader) => reader.read()));
process.stdout.write('here\n');
await Promise.all(readers.map(readOn));

async function readOn(reader: ReadableStreamDefaultReader): Promise<void> {
  while (!(await reader.read()).done);
}
