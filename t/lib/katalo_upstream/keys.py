"""The keys that the stand-in accepts."""

import os
import re

BEARER = re.compile(rb'Bearer (kat_live_([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+)')


class KeyFile:

    def __init__(self, path):
        self.path = path
        self.stamp = None
        self.accepted = set()

    def _refresh(self):
        try:
            info = os.stat(self.path)
            stamp = (info.st_ino, info.st_size, info.st_mtime_ns)
            if stamp == self.stamp:
                return

            with open(self.path, 'rb') as file:
                self.accepted = set(file.read().split())
            self.stamp = stamp

        except FileNotFoundError:
            self.accepted = set()
            self.stamp = None

    def accept(self, request):
        """The id of the request's key, or None if it may not pass."""

        values = request.values(b'authorization')
        match = BEARER.fullmatch(values[0]) if len(values) == 1 else None

        if match is None:
            return None

        if self.path is not None:
            self._refresh()
            if match[1] not in self.accepted:
                return None

        return match[2].decode()
