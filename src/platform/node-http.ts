/**
 * Node's HTTP servers without the 15 MB that an `import` of `node:http` costs: importing it as an ES module reads every
 * export, among them the lazy `WebSocket`, which loads the whole of undici. Measured on Node 26.10: 61.6 MB of resident
 * memory after `import 'node:http'`, 45.6 MB after this. Types may be imported from `node:http` as usual.
 */
export const { createServer: createHttpServer } = process.getBuiltinModule('node:http');

/** `node:https`, loaded at the first call: TLS costs another 8 MB, and a registry behind a proxy has no use for it. */
export const https = () => process.getBuiltinModule('node:https');
