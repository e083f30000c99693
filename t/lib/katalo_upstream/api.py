"""The Katalo API's endpoints, as its documentation describes them."""

import json
import re

from katalo_upstream import jobs, payload
from katalo_upstream.behaviour import (
    Wish, action_reply, dress, error_reply, json_reply)

BASE = '/api/v1'


class Service:

    def __init__(self, keys, record, pace, limits):
        self.keys = keys
        self.limits = limits
        self.record = record
        self.store = jobs.Store(pace)
        self.originals = {}

        self.routes = [(method, re.compile(BASE + path), handler)
                       for method, path, handler in (
            ('POST', '/source-assets', self.create_source),
            ('GET', '/source-assets/([^/]+)', self.read_source),
            ('POST', '/generations', self.create_generation),
            ('GET', '/generations/([^/]+)', self.read_generation),
            ('POST', '/generations/([^/]+)/regenerate', self.regenerate),
            ('GET', '/usage/summary', self.usage),
            ('GET', '/billing/events', self.billing))]

    def is_early(self, request):
        return ('x-early' in request.target
                and 'x-early' in Wish(request.target).names())

    def reply(self, request, connection):
        wish = Wish(request.target)
        key_id = self.keys.accept(request)
        reply = action_reply(wish)
        echo = reply is None and (wish.by_path or 'x-echo' in wish.names())

        if echo:
            reply = json_reply(200, None)
        elif reply is None:
            reply = self.endpoint_reply(request, key_id)

        dress(reply, wish)
        entry = self.record.add(request, connection, key_id, reply.summary())

        if echo:
            reply.body = json.dumps(entry).encode()

        return reply

    def cut_off(self, request, connection):
        self.record.add(request, connection, self.keys.accept(request), None)

    def endpoint_reply(self, request, key_id):
        path = request.target.partition('?')[0]
        method = 'GET' if request.method == 'HEAD' else request.method

        if key_id is None:
            return error_reply(401, 'The API key is missing or not valid.')

        for wanted, pattern, handler in self.routes:
            match = pattern.fullmatch(path)
            if match and method == wanted:
                break
        else:
            return error_reply(404, 'No such resource.')

        wait = self.limits.wait(key_id, handler)
        if wait:
            return error_reply(429, 'Too many requests.', wait)

        try:
            if method == 'POST':
                return self.write_once(request, key_id, handler,
                                       match.groups())
            return handler(request, *match.groups())

        except payload.Invalid as invalid:
            return error_reply(422, str(invalid))
        except KeyError:
            return error_reply(404, 'No such resource.')

    def write_once(self, request, key_id, handler, arguments):
        token = request.value('idempotency-key')
        if not token:
            return error_reply(400, 'Idempotency-Key is required.')

        fields = payload.parse(request)
        mark = payload.fingerprint(request.target, fields)
        known = self.originals.get((key_id, token))

        if known is None:
            known = mark, handler(fields, *arguments)
            self.originals[key_id, token] = known
        elif known[0] != mark:
            return error_reply(409, 'Idempotency-Key was used with another '
                                    'payload.')

        return json_reply(202, known[1].describe())

    def create_source(self, fields):
        return self.store.add_source(payload.image(fields))

    def read_source(self, request, ingest_id):
        return json_reply(200, self.store.sources[ingest_id].describe())

    def create_generation(self, fields):
        if not fields.get('workflow'):
            raise payload.Invalid('workflow is required.')

        asset = fields.get('source_asset_id')
        given = [name for name in ('file', 'source_url', 'source_asset_id')
                 if fields.get(name)]

        if len(given) != 1:
            raise payload.Invalid('Exactly one of file, source_url or '
                                  'source_asset_id is needed.')

        if asset is None:
            asset = self.store.add_source(payload.image(fields)).asset_id
        elif not self.store.is_ready(asset):
            raise payload.Invalid('source_asset_id is not known or not '
                                  'ready.')

        return self.store.add_job(asset, fields['workflow'])

    def read_generation(self, request, job_id):
        return json_reply(200, self.store.jobs[job_id].describe())

    def regenerate(self, fields, job_id):
        job = self.store.jobs[job_id]
        return self.store.add_job(job.asset_id, job.workflow, job.job_id)

    def usage(self, request):
        return json_reply(200, self.store.usage())

    def billing(self, request):
        query = payload.query(request.target)
        limit, cursor = query.get('limit', '100'), query.get('cursor', '0')

        if not limit.isdigit() or not 1 <= int(limit) <= 100:
            raise payload.Invalid('limit is out of range.')
        if not cursor.isdigit():
            raise payload.Invalid('cursor is not valid.')

        return json_reply(200, self.store.billing(int(limit), int(cursor)))
