"""Payloads of writes: JSON or multipart, checked as far as the documentation
says."""

import hashlib
import json
import re
import urllib.parse

IMAGES = (b'\x89PNG\r\n\x1a\n', b'\xff\xd8\xff', b'RIFF', b'GIF8')


class Invalid(Exception):
    pass


def query(target):
    return dict(urllib.parse.parse_qsl(target.partition('?')[2]))


def parse(request):
    """A dictionary of the fields; a file's value is its bytes."""

    body = bytes(request.body)
    kind = request.value('content-type')

    if kind.startswith('multipart/form-data'):
        return multipart(body, kind)
    if not body:
        return {}

    try:
        fields = json.loads(body)
    except ValueError:
        raise Invalid('The body is not JSON.') from None

    if not isinstance(fields, dict):
        raise Invalid('The body is not a JSON object.')

    return fields


def multipart(body, kind):
    boundary = re.search(r'boundary="?([^";]+)', kind)
    if not boundary:
        raise Invalid('The multipart boundary is missing.')

    delimiter = b'\r\n--' + boundary[1].encode('latin-1')
    first, *parts, last = (b'\r\n' + body).split(delimiter)
    if first or not last.startswith(b'--'):
        raise Invalid('The multipart body is cut off.')

    fields = {}
    for part in parts:
        head, _, content = part.partition(b'\r\n\r\n')
        name = re.search(rb'[; ]name="([^"]*)"', head)
        if not name:
            raise Invalid('A part has no name.')

        is_file = b'filename=' in head
        fields[name[1].decode('latin-1')] = \
            content if is_file else content.decode('latin-1')

    return fields


def image(fields):
    """Checks that the fields hold one image, or where to fetch it."""

    file, url = fields.get('file'), fields.get('source_url')

    if file is not None:
        if not isinstance(file, bytes) or not file.startswith(IMAGES):
            raise Invalid('file is not an image.')
    elif not isinstance(url, str) or not url.startswith('https://'):
        raise Invalid('file or source_url is needed.')


def fingerprint(target, fields):
    """Equal for equal requests, whatever the multipart boundary was."""

    digest = hashlib.sha256(target.encode('latin-1'))
    for name in sorted(fields):
        value = fields[name]
        digest.update(repr((name, value)).encode())
    return digest.digest()
