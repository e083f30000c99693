import asyncio
import json
import sys

import aiohttp


async def main(url, *body):
    async with aiohttp.ClientSession() as session:
        if body:
            call = session.post(url, json=json.loads(body[0]))
        else:
            call = session.get(url)

        async with call as response:
            return response.status != 200


sys.exit(asyncio.run(main(*sys.argv[1:])))
