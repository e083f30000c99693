"""Limits of Katalo: so many requests in a time, for each key and class."""

import math
import time

KATALO = ('write=120/60', 'read=1200/60', 'usage=120/60')

CLASSES = {'create_source': 'write', 'create_generation': 'write',
           'regenerate': 'write', 'read_source': 'read',
           'read_generation': 'read', 'usage': 'usage', 'billing': 'usage'}


class Limits:

    def __init__(self, specs):
        self.limits = {}
        self.periods = {}

        for spec in specs:
            name, _, limit = spec.partition('=')
            requests, _, seconds = limit.partition('/')
            if name not in CLASSES.values():
                raise ValueError('no class is ' + name)
            self.limits[name] = int(requests), float(seconds)

    def wait(self, key_id, handler):
        """Seconds until the next period if this one has no room, or 0."""

        name = CLASSES[handler.__name__]
        if name not in self.limits:
            return 0

        requests, seconds = self.limits[name]
        now = time.monotonic()
        begun, count = self.periods.get((key_id, name), (now, 0))

        if now - begun >= seconds:
            begun, count = now, 0
        self.periods[key_id, name] = begun, count + 1

        if count < requests:
            return 0
        return math.ceil((begun + seconds - now) * 10) / 10
