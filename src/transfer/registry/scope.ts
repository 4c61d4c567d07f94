/** Docker token authentication §"Resource Scope": what a token is asked for. */
export function pullScope(repository: string): string {
  return `repository:${repository}:pull`;
}

export function pushScope(repository: string): string {
  return `repository:${repository}:pull,push`;
}

export function deleteScope(repository: string): string {
  return `repository:${repository}:delete,pull,push`;
}

export const catalogScope = 'registry:catalog:*';
