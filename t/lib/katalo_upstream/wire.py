"""HTTP/1 as the stand-in speaks it: framing of requests, and answers that may
be cut, delayed or broken on purpose."""

import asyncio
import dataclasses
import functools
import http
import itertools
import socket
import struct

SERIAL = itertools.count(1)


def remember_sni(tls, name, context):
    tls.requested_name = name


class Held:
    """Answers that wait for a signal, instead of a timer."""

    waiting = []

    def __init__(self, send):
        self.send = send
        self.waiting.append(self)

    def cancel(self):
        if self in self.waiting:
            self.waiting.remove(self)

    @classmethod
    def release(cls):
        waiting, cls.waiting = cls.waiting, []
        for held in waiting:
            held.send()


class Request:

    def __init__(self, head):
        self.head = head
        self.body = bytearray()
        self.complete = False

        lines = head[:-4].split(b'\r\n')
        method, target, version = lines[0].decode('latin-1').split(' ')
        self.method, self.target, self.version = method, target, version
        self.headers = [(name.lower(), value.strip(b' \t')) for name, _, value
                        in (line.partition(b':') for line in lines[1:])]

        self.chunked = b'chunked' in self.values(b'transfer-encoding')
        length = self.values(b'content-length')
        self.missing = int(length[0]) if length else 0

    def values(self, name):
        return [value for have, value in self.headers if have == name]

    def value(self, name, default=''):
        values = self.values(name.encode())
        return values[0].decode('latin-1') if values else default

    def keepalive(self):
        connection = self.value('connection').lower()
        if self.version == 'HTTP/1.0':
            return connection == 'keep-alive'
        return connection != 'close'

    def take_body(self, buffer):
        """Moves what belongs to the body; True when it is all there."""

        if self.chunked:
            self.complete = self._take_chunks(buffer)
        else:
            piece = buffer[:self.missing]
            del buffer[:len(piece)]
            self.body += piece
            self.missing -= len(piece)
            self.complete = self.missing == 0

        return self.complete

    def _take_chunks(self, buffer):
        while True:
            end = buffer.find(b'\r\n')
            if end < 0:
                return False

            size = int(bytes(buffer[:end]).split(b';')[0], 16)
            if len(buffer) < end + 2 + size + 2:
                return False

            self.body += buffer[end + 2:end + 2 + size]
            del buffer[:end + 2 + size + 2]

            if size == 0:
                return True


@dataclasses.dataclass
class Reply:
    status: int = 200
    headers: list = dataclasses.field(default_factory=list)
    body: bytes = b''
    # of an interim response with status 103, if any
    hints: list = dataclasses.field(default_factory=list)
    delay: float = 0
    held: bool = False
    chunked: bool = False
    # of the body, each sent by itself; 0 for all at once
    pieces: int = 0
    close: bool = False
    # how the answer ends: None (well), hang, reset, close or garbage, and
    # whether that comes in place of it or after its header and half its body
    fate: str = None
    late: bool = False

    def set(self, name, value):
        self.headers = [pair for pair in self.headers
                        if pair[0].lower() != name.lower()]
        self.headers.append((name, value))

    def summary(self):
        return self.fate if self.fate and not self.late else self.status

    def encode(self, request, keepalive):
        try:
            reason = http.HTTPStatus(self.status).phrase
        except ValueError:
            reason = 'Unknown'

        bodiless = self.status in (204, 304)
        headers = list(self.headers)

        if self.chunked:
            headers.append(('Transfer-Encoding', 'chunked'))
        elif not bodiless:
            headers.append(('Content-Length', str(len(self.body))))
        if not keepalive:
            headers.append(('Connection', 'close'))
        elif request.version == 'HTTP/1.0':
            headers.append(('Connection', 'keep-alive'))

        head = 'HTTP/1.1 %d %s\r\n%s\r\n' % (
            self.status, reason,
            ''.join('%s: %s\r\n' % pair for pair in headers))

        if request.method == 'HEAD' or bodiless:
            return head.encode('latin-1'), b''

        return head.encode('latin-1'), b''.join(self.split())

    def split(self):
        """The body in pieces, each a chunk of its own where there are such."""

        size = self.pieces or len(self.body) or 1
        pieces = [self.body[i:i + size]
                  for i in range(0, len(self.body), size)]

        if not self.chunked:
            return pieces

        return [b'%x\r\n%s\r\n' % (len(piece), piece)
                for piece in pieces] + [b'0\r\n\r\n']


class Connection(asyncio.Protocol):

    def __init__(self, service):
        self.service = service
        self.serial = next(SERIAL)
        self.buffer = bytearray()
        self.request = None
        self.busy = False
        self.timer = None

    def connection_made(self, transport):
        tls = transport.get_extra_info('ssl_object')
        self.transport = transport
        self.port = transport.get_extra_info('sockname')[1]
        self.tls = tls is not None
        self.sni = getattr(tls, 'requested_name', None)

    def connection_lost(self, error):
        if self.timer is not None:
            self.timer.cancel()
        if self.request is not None:
            self.service.cut_off(self.request, self)

    def data_received(self, data):
        self.buffer += data
        self._advance()

    def _advance(self):
        try:
            while not self.busy and self._take_request():
                request, self.request = self.request, None
                self._answer(request, self.service.reply(request, self))
        except ValueError:
            self.transport.write(b'HTTP/1.1 400 Bad Request\r\n'
                                 b'Connection: close\r\n\r\n')
            self.transport.close()

    def _take_request(self):
        if self.request is None:
            end = self.buffer.find(b'\r\n\r\n')
            if end < 0:
                return False

            self.request = Request(bytes(self.buffer[:end + 4]))
            del self.buffer[:end + 4]

            if self.request.value('expect').lower() == '100-continue':
                self.transport.write(b'HTTP/1.1 100 Continue\r\n\r\n')

        return (self.request.take_body(self.buffer)
                or self.service.is_early(self.request))

    def _answer(self, request, reply):
        self.busy = True
        if reply.held:
            self.timer = Held(functools.partial(self._send, request, reply))
        elif reply.delay:
            self.timer = asyncio.get_running_loop().call_later(
                reply.delay, self._send, request, reply)
        else:
            self._send(request, reply)

    def _send(self, request, reply):
        keepalive = (request.complete and request.keepalive()
                     and not reply.close)
        head, body = reply.encode(request, keepalive)

        if reply.hints:
            hints = ''.join('%s: %s\r\n' % pair for pair in reply.hints)
            self.transport.write(b'HTTP/1.1 103 Early Hints\r\n%s\r\n'
                                 % hints.encode('latin-1'))

        if reply.pieces and reply.fate is None and body:
            self.timer = asyncio.get_running_loop().create_task(
                self._send_pieces(head, reply.split(), keepalive))
            return

        if reply.fate is None:
            self.transport.write(head + body)
            self.busy = False
            if not keepalive:
                self.busy = True
                self.transport.close()
            elif self.timer is not None:
                self.timer = None
                self._advance()
            return

        if reply.late:
            self.transport.write(head + body[:len(body) // 2])
            self.timer = asyncio.get_running_loop().call_later(
                0.05, self._end, reply.fate)
        else:
            self._end(reply.fate)

    async def _send_pieces(self, head, pieces, keepalive):
        for piece in [head, *pieces]:
            self.transport.write(piece)
            await asyncio.sleep(0.001)

        self.timer = None
        self.busy = not keepalive
        if keepalive:
            self._advance()
        else:
            self.transport.close()

    def _end(self, fate):
        if fate == 'reset':
            self.transport.get_extra_info('socket').setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            self.transport.abort()
        elif fate == 'garbage':
            self.transport.write(b'\0\1\2 this is not HTTP\n\n')
            self.transport.close()
        elif fate == 'close':
            self.transport.close()
