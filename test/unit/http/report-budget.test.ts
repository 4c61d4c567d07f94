/** One cluster cannot take what is there for the reports of all. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReportBudget } from '../../../src/registry/http/report-budget.ts';

test('a third report of one cluster is refused until one of the two is over, whatever became of it', async () => {
  const budget = new ReportBudget();
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const one = budget.run('eu', () => first.promise);
  const other = budget.run('eu', () => second.promise);
  await assert.rejects(
    budget.run('eu', async () => undefined),
    { code: 'TOOMANYREQUESTS' },
  );
  await budget.run('us', async () => undefined);
  first.reject(new Error('it was not valid'));
  await assert.rejects(one, /it was not valid/);
  await budget.run('eu', async () => undefined);
  second.resolve();
  await other;
});
