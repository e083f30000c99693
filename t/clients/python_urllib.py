import sys
import urllib.request

url, *body = sys.argv[1:]
request = urllib.request.Request(url)

if body:
    request.data = body[0].encode()
    request.add_header('Content-Type', 'application/json')

with urllib.request.urlopen(request) as response:
    sys.exit(response.status != 200)
