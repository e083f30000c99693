"""What was received, as JSON lines.  No secret is written: the value of an
Authorization header is kept as sha256:<hex>:<length> of its exact bytes (what
follows the colon and one space), a key anywhere else loses its secret."""

import hashlib
import json
import os
import re
import time

AUTHORIZATION = re.compile(rb'^(authorization[ \t]*: ?)([^\r\n]*)',
                           re.IGNORECASE | re.MULTILINE)
KEY = re.compile(rb'(kat_live_[A-Za-z0-9_-]+\.)([A-Za-z0-9_-]+)')


def fingerprint(value):
    return b'sha256:%s:%d' % (hashlib.sha256(value).hexdigest().encode(),
                              len(value))


def mask(head):
    head = AUTHORIZATION.sub(lambda m: m[1] + fingerprint(m[2]), head)
    return KEY.sub(lambda m: m[1] + fingerprint(m[2]), head)


class Record:

    def __init__(self, path):
        self.serial = 0
        self.file = None

        if path is not None:
            self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT,
                                0o600)

    def add(self, request, connection, key_id, answer):
        """Writes one line; returns it as a dictionary."""

        self.serial += 1
        head = mask(request.head).decode('latin-1')
        lines = head.rstrip('\r\n').split('\r\n')

        entry = {
            'n': self.serial,
            'time': time.time(),
            'connection': connection.serial,
            'port': connection.port,
            'tls': connection.tls,
            'sni': connection.sni,
            'method': request.method,
            'target': lines[0].split(' ')[1],
            'version': request.version,
            'head': head,
            'headers': [[name, value.lstrip(' ')] for name, _, value
                        in (line.partition(':') for line in lines[1:])],
            'body_length': len(request.body),
            'body_sha256': hashlib.sha256(request.body).hexdigest(),
            'chunked': request.chunked,
            'complete': request.complete,
            'key_id': key_id,
            'answer': answer,
        }

        if self.file is not None:
            os.write(self.file, json.dumps(entry).encode() + b'\n')

        return entry
