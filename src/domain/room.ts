/** Memory in which `more` bytes have room behind the first `used` ones, which it keeps: the same, or larger by half at least. */
export function withRoom(memory: Buffer, used: number, more: number): Buffer {
  const needed = used + more;
  if (needed <= memory.length) return memory;
  const larger = Buffer.allocUnsafeSlow(Math.ceil(needed * 1.5));
  memory.copy(larger, 0, 0, used);
  return larger;
}
