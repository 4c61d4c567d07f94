import type { Settings } from '../settings.ts';
import { callerOf } from './callers.ts';
import { RegistryGate } from './gate.ts';
import { Passwords } from './passwords.ts';
import { Tokens } from './tokens.ts';

/** Who is asking, and what they may do, by the settings of the moment. */
export function createAuth(
  settings: () => Settings,
  { now, onCheck }: { now: () => number; onCheck: (result: 'right' | 'wrong' | 'refused') => void },
) {
  const passwords = new Passwords({ users: () => settings().users, onCheck });
  const tokens = new Tokens(() => settings().tokens, now);
  const gate = new RegistryGate({
    passwords,
    tokens,
    settings: () => {
      const { users, document, tokens } = settings();
      return { users, anonymous: document.auth.anonymous, service: tokens.service };
    },
  });
  const callers = (request: Parameters<typeof callerOf>[0]) => {
    const { proxies, document } = settings();
    return callerOf(request, { proxies, fallbackAuthority: document.host ?? 'localhost' });
  };
  return { gate, tokens, callerOf: callers };
}
