import json
import sys

import requests

url, *body = sys.argv[1:]

if body:
    response = requests.post(url, json=json.loads(body[0]))
else:
    response = requests.get(url)

sys.exit(response.status_code != 200)
