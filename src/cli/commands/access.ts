import { type Command, Option } from 'commander';
import { type Role, roles } from '../../domain/actor.ts';
import { askPassword } from '../ask-password.ts';
import { printData, say } from '../output.ts';

interface Flags {
  readonly role: Role;
}

/** `access user` and `access token`: make entries of SHEAF_ACCESS. They write nothing and need no database. */
export function addAccess(program: Command): void {
  const access = program
    .command('access')
    .summary('make users and tokens for the server')
    .description('Prints entries for SHEAF_ACCESS: who may use `sheaf serve`, and as what. Nothing is stored.');
  addHolder(access.command('user'), 'a user')
    .description('Asks for a password, or reads it from stdin, and prints the entry of a user, who signs in with it.')
    .addHelpText(
      'after',
      '\nExamples:\n  sheaf access user ada --role operator\n  sheaf access user bob --role viewer < password.txt',
    )
    .action(makeUser);
  addHolder(access.command('token'), 'a token')
    .description('Makes a token for a program, prints it once, and prints its entry.')
    .addHelpText('after', '\nExample:\n  sheaf access token prometheus --role viewer')
    .action(makeToken);
}

function addHolder(command: Command, what: string): Command {
  return command
    .argument('<name>', `the name of ${what}, as the audit log will have it`)
    .addOption(
      new Option('--role <role>', 'viewer: may read; operator: may also start, steer and end runs')
        .choices(roles)
        .makeOptionMandatory(),
    );
}

async function makeUser(name: string, { role }: Flags): Promise<void> {
  const { checkName, createUserEntry } = await import('../../runtime/access.ts');
  checkName(name);
  const entry = await createUserEntry({ name, role }, await askPassword());
  say('Add this to SHEAF_ACCESS, after a comma where it has entries, and start the server anew:');
  printData(entry);
}

async function makeToken(name: string, { role }: Flags): Promise<void> {
  const { createTokenEntry } = await import('../../runtime/access.ts');
  const { token, entry } = createTokenEntry({ name, role });
  say(`The token, which is not shown again. Send it as \`Authorization: Bearer …\`:`);
  say(`  ${token}`);
  say('Add this to SHEAF_ACCESS, after a comma where it has entries, and start the server anew:');
  printData(entry);
}
