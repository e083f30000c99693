'use strict';

const EVERY = 2000;      // ms between updates, at least
const WINDOW = 120000;   // ms that a chart shows
const STEP = 50;         // keys shown at once
const LISTED = 6;        // keys listed as needing attention
const OPEN = 3;          // as many keys are open from the start

const STATES = {
  unusable: ['bad', 'No key'], rejected: ['warn', 'Rejected'],
  broken: ['warn', 'Bad source'], reload: ['warn', 'Reload only'],
  leaked: ['leak', 'Leaked key seen'], cooling: ['warn', 'Cooling'],
  used: ['good', 'In use'], idle: ['idle', 'Not used yet']
};
const $ = id => document.getElementById(id);
const keys = new Map();        // name -> what is known of it
const children = new WeakMap();
const format = new Intl.NumberFormat('en');

let times = [], status = null, limit = STEP;
let paused = false, lost = null, timer;

const number = n => format.format(n || 0);
const many = (n, word) => `${number(n)} ${word}${n === 1 ? '' : 's'}`;
const rate = r => !(r >= 0) ? '–' : r < 100 ? r.toFixed(1)
                                             : number(Math.round(r));
const total = counts => Object.values(counts || {}).reduce((a, b) => a + b, 0);
const clock = () => new Date().toLocaleTimeString([], { hour12: false });

function seconds(s) {
  return !(s >= 0) ? '–' : s < 1 ? `${Math.round(s * 1000)} ms`
                                 : `${s.toFixed(s < 10 ? 2 : 1)} s`;
}

function bytes(n) {
  const power = Math.min(Math.floor(Math.log10(n || 1) / 3), 4);
  return power ? `${(n / 1000 ** power).toFixed(1)} ${' kMGT'[power]}B`
               : `${n || 0} B`;
}

function ago(time) {
  const s = Math.max(0, (Date.parse(status.time) - Date.parse(time)) / 1000);
  return !time ? 'never' : s < 60 ? `${s} s ago`
    : s < 3600 ? `${Math.floor(s / 60)} min ago`
    : s < 172800 ? `${Math.floor(s / 3600)} h ago`
                 : `${Math.floor(s / 86400)} days ago`;
}

function element(tag, className, text) {
  const node = document.createElement(tag);
  node.className = className || '';
  node.textContent = text || '';
  return node;
}

function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// One child for each item, by its id; those that stay are changed in place.
function each(parent, items, create, fill) {
  const old = children.get(parent) || new Map();
  const now = new Map(items.map(item => [item.id, old.get(item.id)]));

  old.forEach((node, id) => now.has(id) || node.remove());
  items.forEach((item, i) => {
    const node = now.get(item.id) || create(item);
    const there = parent.children[i];
    if (there !== node) parent.insertBefore(node, there || null);
    now.set(item.id, node);
    fill(node, item);
  });

  children.set(parent, now);
}

// what is known

function sum(ids, group) {
  const all = Object.create(null);   // an operation may be "__proto__"
  for (const id of ids) {
    for (const [name, n] of Object.entries(id[group] || {})) {
      all[name] = (all[name] || 0) + n;
    }
  }
  return all;
}

function histogram(ids) {
  const all = [];
  for (const id of ids) {
    id.upstream_seconds.buckets.forEach(({ le, count }, i) => {
      all[i] = { le, count: count + (all[i] ? all[i].count : 0) };
    });
  }
  return all;
}

// as histogram_quantile() of Prometheus
function quantile(buckets, q) {
  const rank = q * (buckets.length && buckets.at(-1).count);
  const i = buckets.findIndex(bucket => bucket.count >= rank);

  if (!rank) return NaN;
  if (i === buckets.length - 1) return buckets[i - 1].le;

  const { le, count } = i ? buckets[i - 1] : { le: 0, count: 0 };
  return le + (buckets[i].le - le) * (rank - count)
              / (buckets[i].count - count);
}

// "write 12 s, read 3 s"
function cooling(cooldown) {
  return Object.entries(cooldown || {})
    .map(([name, s]) => `${name} ${number(s)} s`).join(', ');
}

function troubles({ key, source, usable, rejected, client_credentials: own,
    source_ok: ok, reload_only: reload, leaked_key_seen: leaked, cooldown }) {
  const seen = own && own.katalo_key;
  return [
    !usable && ['unusable', `${key} has no usable key: its requests get 503. `
      + `Give its ${source} a valid one.`],
    ok === false && !reload && ['broken', `The ${source} of ${key} is gone or `
      + `holds no key${usable ? '; the last good one is used' : ''}. The error `
      + 'log says what is wrong with it.'],
    ok === false && reload && ['reload', `The workers may not read the file of `
      + `${key}: it is rotated and revoked on reload only. Give them the right `
      + 'to, or set check=off.'],
    usable && rejected && ['rejected', `Katalo rejects ${key} (401): the key `
      + 'was revoked or replaced. Give the gateway the current one.'],
    cooling(cooldown) && ['cooling', `Katalo has answered 429 to ${key}: `
      + `requests are refused for ${cooling(cooldown)}.`],
    seen > 0 && ['leaked', `${many(seen, 'request')} to ${key} brought a `
      + `Katalo key along, the last ${ago(leaked)}: a client has it, so it is `
      + 'leaked. The error log has its id; revoke that key.']
  ].filter(Boolean);
}

function learn(data, time, elapsed) {
  const known = keys.get(data.key) || { rates: [], total: NaN };
  const requests = sum(data.ids, 'requests').total || 0;
  const grown = requests - known.total;

  known.rates.push(grown >= 0 ? grown * 1000 / elapsed : NaN);
  known.rates.splice(0, known.rates.length - times.length);

  const used = data.ids.map(id => id.last_used).filter(Boolean).sort().pop();
  const trouble = troubles(data);
  const states = trouble.map(([state]) => state);
  if (!states.some(state => ['unusable', 'rejected'].includes(state))) {
    states.unshift(used ? 'used' : 'idle');
  }

  Object.assign(known, { id: data.key, data, total: requests, trouble, used,
    states, seen: time });
  keys.set(data.key, known);
}

function merge(answer, time) {
  const elapsed = time - times.at(-1);

  status = answer;
  times = times.filter(t => time - t <= WINDOW).concat(time);
  answer.keys.forEach(key => learn(key, time, elapsed));
  keys.forEach((key, name) => key.seen === time || keys.delete(name));
}

// what is shown

function badge([kind, word]) {
  const node = element('span', `state ${kind}`);
  node.append(element('span', 'shape'), element('span', '', word));
  return node;
}

function chart(node, { id, rates }) {
  const [svg, label] = [node.querySelector('svg'), node.querySelector('small')];
  const [, area, line, last] = svg.children;
  const peak = Math.max(0, ...rates.filter(r => r >= 0));
  const at = times.slice(-rates.length);
  const now = rates.at(-1);
  const runs = [[]];

  rates.forEach((r, i) => {
    const x = 59 - 59 * (at.at(-1) - at[i]) / WINDOW;
    r >= 0 ? runs.at(-1).push([x.toFixed(2), (30 - 28 * r / (peak || 1))
      .toFixed(2)]) : runs.push([]);
  });

  const drawn = runs.filter(run => run.length);
  line.setAttribute('d', drawn.map(run => `M${run.join('L')}`).join(''));
  area.setAttribute('d', drawn.map(run => `M${run[0][0]} 30L${run.join('L')}`
    + `L${run.at(-1)[0]} 30Z`).join(''));
  last.setAttribute('d', now >= 0 ? `M${runs.at(-1).at(-1)}h.01` : '');
  svg.setAttribute('aria-label', `${id}: ${rate(now)} requests per second, `
    + `at most ${rate(peak)} in the last 2 minutes`);
  put(label, drawn.length ? `peak ${rate(peak)}` : 'no rate yet');
}

function counts(id, group, rows = []) {
  const all = total(group);
  for (const [name, n] of Object.entries(group)) {
    if (n) rows.push({ id: name, cells: [number(n)], share: n / all });
  }
  return { id, rows };
}

// "" and "*" are no names that a consumer can have
function consumers(list) {
  const all = list.reduce((n, one) => n + (one.requests.total || 0), 0) || 1;
  return { id: 'Consumers', filter: 'Filter consumers',
    head: ['Name', 'Requests', 'Share', 'Last use'],
    rows: list.map(({ consumer, requests: { total: n = 0 }, last_used: t }) =>
      ({ id: consumer, share: n / all,
      label: consumer ? consumer === '*' && 'others' : 'no consumer',
      cells: [number(n), `${(n / all * 100).toFixed(1)} %`, ago(t)] })) };
}

function tables({ data, trouble }) {
  const { total: requests, ...operations } = sum(data.ids, 'requests');
  const { browser_reported: reported, ...denied } = data.denied || {};
  const { sent, received } = sum(data.ids, 'bytes');
  const own = data.client_credentials || {};
  const plain = (id, text) => ({ id, cells: [text] });

  return [
    counts('Operations', operations), counts('Upstream statuses',
      sum(data.ids, 'responses')), counts('Refused, by reason', denied),
    { id: 'Key ids', head: ['Id', 'State', 'Requests', 'Last use'],
      rows: data.ids.map(id => ({ id: id.key_id, cells: [id.state,
        number(id.requests.total), ago(id.last_used)] })) },
    { id: 'Clients', rows: [
      plain('Own credentials taken away', number(own.stripped)),
      plain('Katalo keys of their own', number(own.katalo_key)),
      plain('The last of these', ago(data.leaked_key_seen)),
      plain('Browsers reported', number(reported))] },
    { id: 'Gateway', rows: [
      plain('In flight', number(data.in_flight)),
      plain('Cool-down', cooling(data.cooldown) || 'none'),
      plain('Retries', number(data.ids.reduce((n, id) => n + id.retries, 0))),
      plain('Sent, received', `${bytes(sent)}, ${bytes(received)}`),
      plain('Source', data.source),
      plain('Rotations', number(data.rotations)),
      plain('Read failures', number(data.read_failures))] },
    ...(data.consumers || []).some(one => one.consumer)
      ? [consumers(data.consumers)] : []
  ];
}

function table({ id, head, filter }) {
  const node = element('table', filter && 'wide');
  node.append(element('caption', '', id));
  if (filter) {
    const input = Object.assign(element('input'),
      { type: 'search', placeholder: filter, ariaLabel: filter,
        oninput: show });
    node.caption.append(' ', input, ' ', element('small', 'muted'));
  }
  if (head) {
    const row = node.createTHead().insertRow();
    head.forEach(word => { row.append(element('th', '', word)); });
    row.childNodes.forEach(cell => { cell.scope = 'col'; });
  }
  node.append(element('tbody'));
  return node;
}

function row({ id, cells, label }) {
  const node = element('tr'), name = element('th', label && 'muted',
    label || id);
  name.scope = 'row';
  node.append(name, ...cells.map(() => element('td')));
  return node;
}

function fillTable(node, { rows, filter }) {
  const none = [{ id: null, label: 'None', cells: [] }];
  const word = filter ? node.querySelector('input').value.toLowerCase() : '';
  const found = rows.filter(({ id, label }) =>
    !word || (label || id).toLowerCase().includes(word));
  const shown = filter ? found.slice(0, STEP) : found;

  if (filter) put(node.querySelector('small'),
    `${number(shown.length)} of ${number(rows.length)}`);
  each(node.tBodies[0], shown.length ? shown : none, row, (line, item) => {
    item.cells.forEach((text, i) => put(line.children[i + 1], text));
    if (!item.share) return;
    line.dataset.share = '';
    line.style.setProperty('--share', `${Math.round(item.share * 100)}%`);
  });
}

function view({ id }) {
  const node = $('key').content.cloneNode(true).firstElementChild;
  node.querySelector('b').textContent = id;
  node.open = keys.size <= OPEN;
  return node;
}

function fillKey(node, key) {
  const { data } = key, buckets = histogram(data.ids);
  const values = node.querySelectorAll('.used > :last-child, '
    + '.number > :last-child');

  put(node.querySelector('code'), data.ids.length ? data.ids[0].key_id : '–');
  each(node.querySelector('.states'), key.states.map(id => ({ id })),
    ({ id }) => badge(STATES[id]), () => {});
  [ago(key.used), rate(key.rates.at(-1)), ...[.5, .95, .99].map(q =>
    seconds(quantile(buckets, q)))].forEach((text, i) => put(values[i], text));
  chart(node.querySelector('.chart'), key);
  each(node.querySelector('.tables'), tables(key), table, fillTable);
}

function showTotals(all) {
  const add = pick => all.reduce((n, key) => n + (pick(key) || 0), 0);
  const answers = sum(all.flatMap(key => key.data.ids), 'responses');
  const failed = total(Object.fromEntries(Object.entries(answers)
    .filter(([name]) => /^5|none/.test(name))));
  const share = failed / total(answers) * 100;
  const items = [
    ['Keys', number(all.length),
      `${number(add(key => key.data.usable))} usable`],
    ['Requests per second', rate(add(key => key.rates.at(-1))), ''],
    ['In flight', number(add(key => key.data.in_flight)), ''],
    ['Requests', number(add(key => key.total)), ''],
    ['Failed upstream', number(failed), share ? `${share.toFixed(1)} %` : ''],
    ['Refused', number(add(({ data: { denied } }) => total(denied)
      - (denied && denied.browser_reported || 0))
      + total(status.denied)), '']
  ];

  each($('totals'), items.map(([id, ...texts]) => ({ id, texts })), item => {
    const node = element('div'), value = element('dd');
    value.append(element('span'), ' ', element('small'));
    node.append(element('dt', '', item.id), value);
    return node;
  }, (node, { texts }) => texts.forEach((text, i) =>
    put(node.lastChild.children[i], text)));
}

function showUpstreams(hosts) {
  each($('upstreams'), hosts.map(one => ({ ...one, id: one.host })),
    () => element('div'), (node, { host, addresses, resolved, failures }) =>
      put(node, `${host}: ${resolved ? `addresses: ${number(addresses)}` +
        `, resolved ${ago(resolved)}` : 'addresses of the start'}`
        + (failures ? `, lookups failed: ${number(failures)}` : '')));
}

function showAttention(all) {
  const items = all.flatMap(({ id, trouble }) => trouble.map(([state, text]) =>
    ({ id: `${id} ${state}`, kind: STATES[state][0], text, filter: id })));
  const rest = items.length - LISTED;

  document.title = `${items.length ? `(${items.length}) ` : ''}Katalo gateway`;
  if (rest > 0) {
    items.splice(LISTED, rest, { id: '', kind: 'idle',
      text: `${number(rest)} more: tick "Only what needs attention" below.` });
  }
  if (lost) {
    items.unshift({ id: 'lost', kind: 'bad', text: `${lost.text} Since `
      + `${lost.time}; what is shown is older. The page keeps trying.` });
  }

  $('attention').hidden = !items.length;
  each($('attention').querySelector('ul'), items, ({ kind }) => {
    const node = element('li', kind);
    node.append(element('span', 'shape'), element('p'));
    return node;
  }, (node, { text }) => put(node.lastChild, text));
}

function showKeys(all) {
  const words = $('filter').value.toLowerCase().split(/\s+/);
  const found = all.filter(({ id, data, states, trouble }) => {
    const text = [id, ...data.ids.map(one => one.key_id),
      ...states.map(state => STATES[state][1])].join(' ').toLowerCase();
    return words.every(word => text.includes(word))
           && (trouble.length || !$('only').checked);
  });

  each($('keys'), found.slice(0, limit), view, fillKey);
  $('more').hidden = found.length <= limit;
  put($('shown'), `${number(Math.min(limit, found.length))} of `
    + `${many(all.length, 'key')}`);
}

function show() {
  const all = [...keys.values()];
  if (status) {
    put($('version'), `ngx_http_katalo_module ${status.version}.`);
    showTotals(all);
    showUpstreams(status.upstreams || []);
    showKeys(all);
  }
  showAttention(all);
}

function say(kind, word) {
  $('live').className = `state ${kind}`;
  put($('word'), word);
}

// updates

async function load() {
  const answer = await fetch(`${location.pathname}?format=json`,
    { cache: 'no-store', signal: AbortSignal.timeout(30000) });
  if (!answer.ok) throw new Error(`The gateway answers ${answer.status}.`);
  return answer.json();
}

async function update() {
  const begun = performance.now();

  clearTimeout(timer);
  try {
    merge(await load(), performance.now());
    lost = null;
    put($('clock'), `Updated ${clock()}`);
    if (!paused) say('good', 'Live');
  } catch (error) {
    const text = /^The /.test(error.message) ? error.message
                                             : 'The gateway cannot be reached.';
    lost = { text, time: lost ? lost.time : clock() };
    say('bad', 'Not reached');
  }
  show();

  const took = performance.now() - begun;
  clearTimeout(timer);
  if (!paused && !document.hidden) {
    timer = setTimeout(update, Math.max(EVERY - took, 3 * took));
  }
}

$('host').textContent = location.host;
$('pause').addEventListener('click', () => {
  paused = !paused;
  $('pause').textContent = paused ? 'Resume' : 'Pause';
  say('idle', paused ? 'Paused' : 'Connecting');
  paused ? clearTimeout(timer) : update();
});
$('more').addEventListener('click', () => { limit += STEP; show(); });
for (const id of ['filter', 'only']) {
  $(id).addEventListener('input', () => { limit = STEP; show(); });
}
document.addEventListener('visibilitychange', () =>
  document.hidden || paused || update());
update();
