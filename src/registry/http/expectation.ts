import type { IncomingMessage, ServerResponse } from 'node:http';

/**
 * Answers `Expect: 100-continue` (RFC 9110 §10.1.1) only when somebody begins to read the body: a push that is refused gets
 * its final status, and is never sent. The connection ends with that answer, because nobody could tell whether what
 * follows on it is the body or a request.
 */
export function continueWhenRead(request: IncomingMessage, response: ServerResponse): void {
  const read = request._read;
  response.setHeader('connection', 'close');
  request._read = (size) => {
    request._read = read;
    if (!response.headersSent) {
      response.removeHeader('connection');
      response.writeContinue();
    }
    read.call(request, size);
  };
}
