"""What a request may ask of the stand-in, by its path or its query."""

import gzip
import json
import urllib.parse

from katalo_upstream import wire

HELP = """\
  in place of the API's answer
    x-echo                 200, the record of this request as JSON
    x-status=CODE          that status, an error envelope from 400 on
    x-rate-limit=SECONDS   429 rate_limited with this retry_after, a JSON value
    x-redirect=URI         200 with X-Accel-Redirect: URI
                           (by path: x-redirect?accel=URI)
    x-size=BYTES           200 and that many bytes
    x-hang                 no answer, the connection stays open
    x-reset                TCP reset
    x-close                orderly close
    x-garbage              bytes that are not HTTP, then close (an nginx before
                           1.23 takes them for HTTP/0.9)
    x-partial              header, half of the body, then close
    x-partial=hang|reset   the same, then silence, or a TCP reset

  added to the answer, the API's or one of the above
    x-slow=MS              wait first
    x-hold                 wait for SIGUSR1, which releases all such answers
    x-cors=ORIGIN          Access-Control-* for this origin
    x-header=NAME:VALUE    this header, in place of one of that name
    x-hints=NAME:VALUE     103 Early Hints first, with this header
    x-body=BYTES           this body, as a query's escapes say
    x-pad=BYTES            and that many blanks after the body
    x-gzip                 Content-Encoding: gzip, and it is
    x-chunked              Transfer-Encoding: chunked
    x-pieces=BYTES         the body in pieces of that many, each a write (and a
                           chunk) of its own
    x-last                 Connection: close
    x-early                answer without waiting for the request's body
"""

ACTIONS = {'x-echo', 'x-status', 'x-rate-limit', 'x-redirect', 'x-size',
           'x-hang', 'x-reset', 'x-close', 'x-garbage', 'x-partial'}

CODES = {400: 'bad_request', 401: 'unauthorized', 403: 'forbidden',
         404: 'not_found', 409: 'idempotency_conflict',
         422: 'validation_error', 429: 'rate_limited', 500: 'internal_error'}

CORS = {'Access-Control-Allow-Origin': None,
        'Access-Control-Allow-Methods': 'GET, POST, OPTIONS',
        'Access-Control-Allow-Headers': 'authorization, content-type',
        'Access-Control-Allow-Credentials': 'true',
        'Access-Control-Allow-Private-Network': 'true',
        'Access-Control-Expose-Headers': 'x-request-id',
        'Access-Control-Max-Age': '600'}


class Wish(list):
    """(name, value) pairs asked for; by_path if the path is made of them."""

    def __init__(self, target):
        path, _, query = target.partition('?')
        self.by_path = '/x-' in path

        if self.by_path:
            for segment in path[path.index('/x-') + 1:].split('/'):
                segment = urllib.parse.unquote(segment)
                if segment.startswith('x-') or not self:
                    self.append([segment, ''])
                else:
                    name, value = self[-1]
                    self[-1][1] = value + '/' + segment if value else segment

        arguments = urllib.parse.parse_qsl(query, keep_blank_values=True)
        self += [pair for pair in arguments if pair[0].startswith('x-')]
        self.accel = dict(arguments).get('accel', '')

    def names(self):
        return {name for name, _ in self}


def json_reply(status, value):
    return wire.Reply(status, [('Content-Type', 'application/json'),
                               ('Cache-Control', 'no-store')],
                      json.dumps(value).encode())


def error_reply(status, message, retry_after=None):
    return json_reply(status, {'error': {
        'code': CODES.get(status, 'error'), 'message': message,
        'retryable': status in (429, 500), 'retry_after': retry_after}})


def status_reply(status):
    if status >= 400:
        return error_reply(status, 'Asked for.')
    if status in (204, 304):
        return wire.Reply(status)
    return json_reply(status, {'status': status})


def action_reply(wish):
    """The asked reply, or None: x-echo, and nothing asked, are not ours."""

    for name, value in wish:
        if name == 'x-status':
            return status_reply(int(value))
        if name == 'x-rate-limit':
            return error_reply(429, 'Too many requests.',
                               json.loads(value or '1'))
        if name == 'x-redirect':
            reply = wire.Reply()
            reply.set('X-Accel-Redirect', value or wish.accel)
            return reply
        if name == 'x-size':
            return wire.Reply(200, [('Content-Type', 'application/'
                                     'octet-stream')], b'k' * int(value))
        if name == 'x-partial':
            reply = json_reply(200, {'padding': 'k' * 1000})
            reply.fate, reply.late = value or 'close', True
            return reply
        if name in ACTIONS and name != 'x-echo':
            return wire.Reply(fate=name[2:])

    return None


def dress(reply, wish):
    """Adds what was asked to be added to an answer."""

    for name, value in wish:
        if name == 'x-slow':
            reply.delay = int(value) / 1000
        elif name == 'x-hold':
            reply.held = True
        elif name == 'x-cors':
            for header, fixed in CORS.items():
                reply.set(header, fixed or value or '*')
        elif name == 'x-header':
            header, _, content = value.partition(':')
            reply.set(header, content.strip())
        elif name == 'x-hints':
            header, _, content = value.partition(':')
            reply.hints.append((header, content.strip()))
        elif name == 'x-body':
            reply.body = value.encode('latin-1')
        elif name == 'x-pad':
            reply.body += b' ' * int(value)
        elif name == 'x-gzip':
            reply.set('Content-Encoding', 'gzip')
            reply.body = gzip.compress(reply.body)
        elif name == 'x-pieces':
            reply.pieces = int(value)
        elif name == 'x-chunked':
            reply.chunked = True
        elif name == 'x-last':
            reply.close = True
