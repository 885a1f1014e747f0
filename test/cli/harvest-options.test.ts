import { Command } from 'commander';
import { expect, it } from 'vitest';
import { addHarvestOptions, type HarvestFlags, toRequest } from '../../src/cli/harvest-options.ts';
import { readSettings } from '../../src/config/settings.ts';

function requestOf(...args: readonly string[]) {
  const command = addHarvestOptions(new Command('harvest'))
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  return toRequest('oda/Sag', command.parse([...args], { from: 'user' }).opts<HarvestFlags>(), readSettings({}));
}

it('relations are named several times or separated by commas, and are the same whatever their order', () => {
  const wanted = { expand: ['SagAktør/Aktør', 'Sagstrin'], relations: 'flat' };
  expect(requestOf('--expand', 'Sagstrin, SagAktør/Aktør')).toMatchObject(wanted);
  expect(requestOf('--expand', 'SagAktør,SagAktør/Aktør', '--expand', 'Sagstrin')).toMatchObject(wanted);
  expect(requestOf('--expand', 'Sagstrin', '--relations', 'nested')).toMatchObject({ relations: 'nested' });
  expect(requestOf()).toMatchObject({ expand: null, relations: 'flat' });
  expect(() => requestOf('--expand', ' , ')).toThrow(/separated by commas/);
  expect(() => requestOf('--relations', 'deep')).toThrow(/Allowed choices are flat, nested/);
});
