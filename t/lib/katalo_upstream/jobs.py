"""Sources, jobs and their ledger: all states follow from the time passed."""

import datetime
import hashlib
import secrets
import time

ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'


def identifier(prefix):
    return prefix + '_' + ''.join(secrets.choice(ALPHABET) for _ in range(26))


def timestamp():
    return datetime.datetime.now(datetime.timezone.utc).strftime(
        '%Y-%m-%dT%H:%M:%SZ')


class Timed:

    def __init__(self, pace):
        self.pace = pace
        self.since = time.monotonic()
        self.created_at = timestamp()

    def state(self, *states):
        passed = int((time.monotonic() - self.since) / self.pace) \
            if self.pace else len(states)
        return states[min(passed, len(states) - 1)]


class Source(Timed):

    def __init__(self, pace):
        super().__init__(pace)
        self.ingest_id = identifier('ing')
        self.asset_id = identifier('src')

    def status(self):
        return self.state('ingesting', 'ready')

    def describe(self):
        ready = self.status() == 'ready'
        return {'ingest_id': self.ingest_id, 'status': self.status(),
                'source_asset_id': self.asset_id if ready else None,
                'created_at': self.created_at}


class Job(Timed):

    def __init__(self, pace, asset_id, workflow, parent):
        super().__init__(pace)
        self.job_id = identifier('job')
        self.asset_id = asset_id
        self.workflow = workflow
        self.parent = parent

    def status(self):
        last = 'failed' if self.workflow == 'fail' else 'succeeded'
        return self.state('queued', 'running', last)

    def outputs(self):
        if self.status() != 'succeeded':
            return []
        return [{'url': 'https://outputs.example/%s.png?signature=%s'
                        % (self.job_id, secrets.token_hex(8))}]

    def describe(self):
        return {'job_id': self.job_id, 'status': self.status(),
                'source_asset_id': self.asset_id, 'workflow': self.workflow,
                'regenerated_from': self.parent, 'outputs': self.outputs(),
                'created_at': self.created_at}


class Store:

    def __init__(self, pace):
        self.pace = pace
        self.sources = {}
        self.assets = {}
        self.jobs = {}
        self.events = []

    def add_source(self, _image):
        source = Source(self.pace)
        self.sources[source.ingest_id] = source
        self.assets[source.asset_id] = source
        return source

    def is_ready(self, asset_id):
        source = self.assets.get(asset_id)
        return source is not None and source.status() == 'ready'

    def add_job(self, asset_id, workflow, parent=None):
        job = Job(self.pace, asset_id, workflow, parent)
        self.jobs[job.job_id] = job

        config = (asset_id + workflow).encode()
        self.events.append({
            'event_id': identifier('evt'), 'job_id': job.job_id,
            'source_asset_id': asset_id,
            'usage_type': 'regeneration' if parent else 'generation',
            'config_fingerprint': hashlib.sha256(config).hexdigest()[:16],
            'billable': True, 'created_at': job.created_at})
        return job

    def usage(self):
        states = [job.status() for job in self.jobs.values()]
        return {
            'entitlement': {'api_access': True},
            'billing_period': {'start_at': timestamp(), 'end_at': None},
            'usage': {'included': 1000, 'consumed': len(self.events)},
            'jobs': {'total': len(states),
                     **{state: states.count(state) for state in
                        ('queued', 'running', 'succeeded', 'failed')}},
            'rate_limits': {'writes_per_minute': 120}}

    def billing(self, limit, cursor):
        page = self.events[cursor:cursor + limit]
        rest = cursor + limit < len(self.events)
        return {'events': page,
                'next_cursor': str(cursor + limit) if rest else None}
