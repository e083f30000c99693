import json
import sys

import httpx

url, *body = sys.argv[1:]
patience = 60

if body:
    response = httpx.post(url, json=json.loads(body[0]), timeout=patience)
else:
    response = httpx.get(url, timeout=patience)

sys.exit(response.status_code != 200)
