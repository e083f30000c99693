'use strict';

// Ways in which a page can have its browser send a request.  Each takes a URL
// and tells what the page has learned of the answer.

const NOTHING = 'nothing';

const learned = (status, text) =>
  status || text ? `read ${status} ${text}` : NOTHING;

const fetched = (url, options) => fetch(url, options).then(
  async answer => learned(answer.status, await answer.text()),
  () => NOTHING);

function element(tag, attributes, text) {
  const node = document.createElement(tag);
  Object.entries(attributes).forEach(pair => node.setAttribute(...pair));
  node.append(text || '');
  return node;
}

function happens(target, good, bad = 'error') {
  return new Promise(resolve => {
    target.addEventListener(good, () => resolve(good), { once: true });
    target.addEventListener(bad, () => resolve(NOTHING), { once: true });
  });
}

function loaded(tag, attributes, event = 'load') {
  const node = element(tag, attributes);
  const end = happens(node, event);
  document.body.append(node);
  return end;
}

// what can be seen of another window, once it is there
function seen(view) {
  try {
    return learned(0, view.document.documentElement.textContent);
  } catch {
    return NOTHING;
  }
}

async function framed(tag, attributes, begin = () => {}) {
  const frame = element(tag, { ...attributes, name: `frame${Math.random()}` });
  const end = happens(frame, 'load');
  document.body.append(frame);
  begin(frame);
  await end;
  return frame.contentWindow ? seen(frame.contentWindow) : NOTHING;
}

function submit(target, attributes, fields) {
  const form = element('form', { target, ...attributes });
  for (const [name, value] of Object.entries(fields)) {
    form.append(element('input', { name, value }));
  }
  document.body.append(form);
  form.submit();
}

// about:blank can be looked into, what comes after it cannot, or is complete
async function popup(url, begin = () => {}) {
  const view = open(url, `popup${Math.random()}`);
  begin(view);
  for (;;) {
    await new Promise(resolve => setTimeout(resolve, 20));
    try {
      if (view.location.href !== 'about:blank'
          && view.document.readyState === 'complete') break;
    } catch {
      break;
    }
  }
  const end = seen(view);
  view.close();
  return end;
}

function answered(port, event = 'message') {
  return new Promise(resolve => {
    port.addEventListener(event, ({ data }) => resolve(data), { once: true });
  });
}

function worker(code) {
  const blob = new Blob([code], { type: 'text/javascript' });
  return answered(new Worker(URL.createObjectURL(blob)));
}

const tell = url => `fetch(${JSON.stringify(url)}).then(
  async answer => post(answer.status + ' ' + await answer.text()),
  () => post(null));`;
const told = text => text ? `read ${text}` : NOTHING;

// what a server of the page's own does for it; Katalo::Browser::Attempts has it
const redirect = url => `/redirect/${encodeURIComponent(url)}`;

async function report(url) {
  const frame = element('iframe', {
    src: `/report/${encodeURIComponent(url)}` });
  document.body.append(frame);
  return NOTHING;
}

async function service(url) {
  const { serviceWorker } = navigator;
  const registration = await serviceWorker.register('/worker.js');
  const channel = new MessageChannel();
  await serviceWorker.ready;
  registration.active.postMessage(url, [channel.port2]);
  channel.port1.start();
  return told(await answered(channel.port1));
}

const attempts = {
  'fetch GET': url => fetched(url),
  'fetch POST': url => fetched(url, { method: 'POST', body: 'a' }),
  'fetch JSON': url => fetched(url, { method: 'POST', body: '{}',
    headers: { 'Content-Type': 'application/json' } }),
  'fetch with Authorization': url => fetched(url, {
    headers: { Authorization: 'Bearer mine' } }),
  'fetch DELETE': url => fetched(url, { method: 'DELETE' }),
  'fetch no-cors': url => fetched(url, { mode: 'no-cors' }),
  'fetch no-cors POST': url => fetched(url, { mode: 'no-cors', method: 'POST',
    body: 'a' }),
  'fetch with credentials': url => fetched(url, { credentials: 'include' }),
  'fetch without referrer': url => fetched(url, { mode: 'no-cors',
    referrerPolicy: 'no-referrer' }),
  'fetch keepalive': url => fetched(url, { keepalive: true }),
  'fetch of a sandboxed frame': url => {
    const end = answered(window);
    document.body.append(element('iframe', { sandbox: 'allow-scripts',
      srcdoc: `<script>const post = text => parent.postMessage(text, '*');
        ${tell(url)}</script>` }));
    return end.then(told);
  },
  'fetch of a worker': url => worker(`const post = postMessage; ${tell(url)}`)
    .then(told),
  'importScripts of a worker': url => worker(`try {
      importScripts(${JSON.stringify(url)});
      postMessage('run');
    } catch (error) {
      postMessage(error.name === 'NetworkError' ? '' : error.name);
    }`).then(told),
  XHR: url => new Promise(resolve => {
    const request = new XMLHttpRequest();
    request.onloadend = () =>
      resolve(learned(request.status, request.responseText));
    request.open('GET', url);
    request.send();
  }),
  'form POST to a frame': url => framed('iframe', {}, ({ name }) =>
    submit(name, { method: 'POST', action: url }, { a: 'b' })),
  'form GET to a frame': url => {
    const { searchParams, origin, pathname } = new URL(url);
    return framed('iframe', {}, ({ name }) => submit(name,
      { action: origin + pathname }, Object.fromEntries(searchParams)));
  },
  'form with JSON to a window': url => popup('about:blank', view =>
    submit(view.name, { method: 'POST', action: url, enctype: 'text/plain' },
           { '{"a":"': '"}' })),
  frame: url => framed('iframe', { src: url }),
  object: url => loaded('object', { data: url }),
  embed: url => framed('embed', { src: url, type: 'text/html' }),
  window: url => popup(url),
  image: url => loaded('img', { src: url }),
  'image without referrer': url => loaded('img', { src: url,
    referrerpolicy: 'no-referrer' }),
  'image with CORS': url => loaded('img', { src: url, crossorigin: '' }),
  background: url => {
    document.body.append(element('div',
      { style: `background: url("${url}"); width: 9px; height: 9px` }));
    return NOTHING;
  },
  script: url => loaded('script', { src: url }),
  'import()': url => import(url).then(() => 'run', () => NOTHING),
  stylesheet: url => loaded('link', { rel: 'stylesheet', href: url }),
  font: url => new FontFace('a', `url("${url}")`).load()
    .then(() => 'loaded', () => NOTHING),
  video: url => loaded('video', { src: url }, 'loadedmetadata'),
  prefetch: url => loaded('link', { rel: 'prefetch', href: url }),
  preload: url => loaded('link', { rel: 'preload', as: 'image', href: url }),
  ping: url => {
    const link = element('a', { ping: url, href: '#' }, 'a');
    document.body.append(link);
    link.click();
    return NOTHING;
  },
  sendBeacon: url => (navigator.sendBeacon(url, 'a'), NOTHING),
  EventSource: url => {
    const source = new EventSource(url);
    const end = happens(source, 'open');
    return end.finally(() => source.close());
  },
  'fetch POST, redirected': url => fetched(redirect(url), { method: 'POST',
    body: 'a' }),
  'fetch no-cors, redirected': url => fetched(redirect(url),
    { mode: 'no-cors' }),
  'image, redirected': url => loaded('img', { src: redirect(url) }),
  'frame, redirected': url => framed('iframe', { src: redirect(url) }),
  'form POST, redirected': url => framed('iframe', {}, ({ name }) =>
    submit(name, { method: 'POST', action: redirect(url) }, { a: 'b' })),
  'frame, refreshed': url => {
    const frame = element('iframe', {
      srcdoc: `<meta http-equiv="refresh" content="0; url=${url}">` });
    document.body.append(frame);
    return happens(frame, 'load').then(() => happens(frame, 'load'))
      .then(() => seen(frame.contentWindow));
  },
  'CSP report': report,
  ...navigator.serviceWorker && { 'fetch of a service worker': service },
  WebSocket: url => happens(new WebSocket(url.replace(/^http/, 'ws')), 'open')
};

async function attempt(base) {
  const results = await Promise.all(Object.entries(attempts).map(
    async ([name, way]) => {
      const url = new URL(base);
      url.searchParams.set('x-cors', location.origin);
      url.searchParams.set('attempt', name);
      const slow = new Promise(resolve =>
        setTimeout(resolve, 120000, 'no end'));
      return [name, await Promise.race([way(url.href), slow])];
    }));

  const { origin } = new URL(base);
  const timings = performance.getEntriesByType('resource')
    .filter(({ name }) => name.startsWith(origin))
    .filter(one => one.responseStatus || one.transferSize
                   || one.encodedBodySize)
    .map(one => new URL(one.name).searchParams.get('attempt'));

  return { learned: Object.fromEntries(results), timings };
}

void attempt;
