import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import bcrypt from 'bcrypt';
import { Refusal } from '../../../src/domain/errors.ts';
import { hashPassword } from '../../../src/registry/auth/bcrypt.ts';
import { Passwords, parseBasic } from '../../../src/registry/auth/passwords.ts';
import { Users } from '../../../src/registry/auth/users.ts';

const secret = () => randomBytes(12).toString('hex');
const quick = (password: string) => bcrypt.hash(password, 4);

async function withAlice(password: string) {
  const state = { users: new Users([new Map([['alice', await quick(password)]])], []) };
  const results: string[] = [];
  const passwords = new Passwords({ users: () => state.users, onCheck: (result) => results.push(result) });
  return { state, results, passwords };
}

test('the right password gives the user, the second time at once and without a check', async () => {
  const password = secret();
  const { passwords, results } = await withAlice(password);
  assert.equal((await passwords.verify({ name: 'alice', password }, 'x'))?.name, 'alice');
  const again = passwords.verify({ name: 'alice', password }, 'x');
  assert.ok(!(again instanceof Promise));
  assert.equal(again?.name, 'alice');
  assert.deepEqual(results, ['right']);
});

test('a wrong password and a name that nobody has are both checked, and give nobody', async () => {
  const { passwords, results } = await withAlice(secret());
  assert.equal(await passwords.verify({ name: 'alice', password: 'wrong' }, 'x'), undefined);
  assert.equal(await passwords.verify({ name: 'nobody', password: 'wrong' }, 'x'), undefined);
  assert.deepEqual(results, ['wrong', 'wrong']);
});

test('a name that nobody has takes as long as a wrong password', async () => {
  const users = new Users([new Map([['alice', await hashPassword(secret())]])], []);
  const passwords = new Passwords({ users: () => users });
  // Of the processor, the pool's threads included: on a busy machine the clock tells what others do.
  const time = async (name: string) => {
    const began = process.cpuUsage();
    await passwords.verify({ name, password: secret() }, 'x');
    const { user, system } = process.cpuUsage(began);
    return (user + system) / 1000;
  };
  let [known, unknown] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  // The least of each, taken in turns: what slows the processor down hits both alike.
  for (let round = 0; round < 5; round++) {
    known = Math.min(known, await time('alice'));
    unknown = Math.min(unknown, await time('nobody'));
  }
  assert.ok(unknown > known / 2 && unknown < known * 2, `known ${known} ms, unknown ${unknown} ms`);
});

test('a removed user and a changed password count at once, remembered or not', async () => {
  const password = secret();
  const { passwords, state } = await withAlice(password);
  await passwords.verify({ name: 'alice', password }, 'x');
  state.users = new Users([new Map([['alice', await quick(secret())]])], []);
  assert.equal(await passwords.verify({ name: 'alice', password }, 'x'), undefined);
  state.users = new Users([], []);
  assert.equal(await passwords.verify({ name: 'alice', password }, 'x'), undefined);
});

test('a user who is removed while the check runs is not let in', async () => {
  const password = secret();
  const { passwords, state } = await withAlice(password);
  const check = passwords.verify({ name: 'alice', password }, 'x');
  state.users = new Users([], []);
  assert.equal(await check, undefined);
});

test('a password that is replaced while the check runs no longer counts', async () => {
  const password = secret();
  const { passwords, state } = await withAlice(password);
  const next = new Users([new Map([['alice', await quick(secret())]])], []);
  const check = passwords.verify({ name: 'alice', password }, 'x');
  state.users = next;
  assert.equal(await check, undefined);
});

test('many requests with the same password at once cost one check', async () => {
  const password = secret();
  const { passwords, results } = await withAlice(password);
  const all = await Promise.all(Array.from({ length: 30 }, () => passwords.verify({ name: 'alice', password }, 'x')));
  assert.ok(all.every((user) => user?.name === 'alice'));
  assert.deepEqual(results, ['right']);
});

test('what waits is bounded, in all and per address, and what is past the bound is told to come back', async () => {
  const users = new Users([new Map([['alice', await quick(secret())]])], []);
  const passwords = new Passwords({ users: () => users, concurrency: 1, waiting: { all: 3, address: 2 } });
  const attempt = (address: string) =>
    Promise.resolve(passwords.verify({ name: 'alice', password: secret() }, address)).catch((error: unknown) => error);
  const attempts = ['a', 'a', 'a', 'a', 'b', 'b'].map(attempt);
  const answers = await Promise.all(attempts);
  // One runs and two of address a wait; one of b fits as well.
  assert.deepEqual(
    answers.map((answer) => answer instanceof Refusal && answer.code),
    [false, false, false, 'TOOMANYREQUESTS', false, 'TOOMANYREQUESTS'],
  );
  assert.equal((answers[3] as Refusal).headers['retry-after'], '1');
  assert.equal(await attempt('a'), undefined, 'places are given back');
});

test('the event loop goes on while passwords are checked', async () => {
  const users = new Users([new Map([['alice', await hashPassword(secret())]])], []);
  const passwords = new Passwords({ users: () => users });
  let turns = 0;
  let done = false;
  const check = Promise.resolve(passwords.verify({ name: 'alice', password: 'wrong' }, 'x')).then(() => {
    done = true;
  });
  while (!done) {
    await setImmediate();
    turns++;
  }
  await check;
  assert.ok(turns > 20, `only ${turns} turns`);
});

test('Basic credentials: colons belong to the password, and what is not well-formed is nothing', () => {
  const basic = (text: string) => parseBasic(Buffer.from(text).toString('base64'));
  assert.deepEqual(basic('a:b:c'), { name: 'a', password: 'b:c' });
  assert.deepEqual(basic('ä:ö'), { name: 'ä', password: 'ö' });
  for (const text of ['a', ':b', '', 'a:b\0c']) assert.equal(basic(text), undefined, JSON.stringify(text));
  assert.equal(parseBasic('%%%'), undefined);
  assert.equal(parseBasic(Buffer.from([0x61, 0x3a, 0xff]).toString('base64')), undefined);
});

test('htpasswd -B writes $2y$, and it is understood', async () => {
  const password = secret();
  const users = new Users([new Map([['alice', (await quick(password)).replace('$2b$', '$2y$')]])], []);
  const passwords = new Passwords({ users: () => users });
  assert.equal((await passwords.verify({ name: 'alice', password }, 'x'))?.name, 'alice');
});
