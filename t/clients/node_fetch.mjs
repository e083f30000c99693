const [url, json] = process.argv.slice(2);

const response = await fetch(url, json === undefined ? {} : {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: json,
});

process.exitCode = response.ok ? 0 : 1;
