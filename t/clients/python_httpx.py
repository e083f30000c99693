import json
import sys

import httpx

url, *body = sys.argv[1:]

if body:
    response = httpx.post(url, json=json.loads(body[0]))
else:
    response = httpx.get(url)

sys.exit(response.status_code != 200)
