// The page that checks certificate files, of check.py: takes a file and perhaps its photo, has them checked by checker.js in
// a worker, without the server, and shows what came of it, with the windows drawn from the file.
//
// The worker is made of the text of the modules, fetched once: so a check needs no network. Whatever a file says is shown
// as text.

import { createWindows } from './check_windows.js';

const MODULES = ['proof_file.js', 'proof_bounds.js', 'checker.js'];      // each imports those before it
const MAX_BYTES = 2 ** 26, MAX_SECONDS = 60;
const ANSWER = `
onmessage = ({ data }) => check(data.proof, data.photo).then(postMessage,
  (error) => postMessage({ outcome: 'failed', reason: error.message }));`;

// The addresses of the modules as blobs; the worker begins with the last.
async function blobs() {
  const made = [];
  const url = (text) => URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
  const texts = await Promise.all(MODULES.map(async (name) => (await fetch(new URL(name, import.meta.url))).text()));
  MODULES.forEach((name, at) => {
    const text = made.reduce((code, own, n) => code.replaceAll(`'./${MODULES[n]}'`, `'${own}'`), texts[at]);
    made.push(url(name === 'checker.js' ? text + ANSWER : text));
  });
  return made;
}

const element = (name, text = '', className = '') => Object.assign(document.createElement(name), { textContent: text, className });

export default function createCheck(root) {
  root.innerHTML = '<div class="pg-drop"><label>Certificate file <input type="file" accept=".json,application/json"></label>'
    + '<label>Its photo, if you have it <input type="file" accept="image/*"></label><p>Or drop one or both, anywhere on this page.</p></div>'
    + '<div class="pg-answer" role="status" aria-live="polite"></div><div class="pg-check-windows"></div>';
  const [drop, answer, place] = root.children, [proofInput, photoInput] = drop.querySelectorAll('input');
  const ready = blobs(), windows = createWindows(place);
  const shown = { checks: 0, outcome: null };
  let given = { proof: null, photo: null }, worker = null, timer = 0;

  const stop = () => {
    worker?.terminate();
    worker = null;
    clearTimeout(timer);
  };

  function say(outcome, mark, headline, ...details) {
    const list = element('ul');
    list.append(...details.map((text) => element('li', text)));
    answer.className = `pg-answer pg-${outcome}`;
    answer.replaceChildren(element('p', `${mark} ${headline}`), ...(details.length ? [list] : []));
    Object.assign(shown, { outcome, checks: shown.checks + 1 });
  }

  // What a file holds; null, which is said, where it is too large or none.
  async function bytesOf(file) {
    let reason = `expected a file of at most ${MAX_BYTES >> 20} MB`;
    try {
      if (file.size <= MAX_BYTES) return new Uint8Array(await file.arrayBuffer());
    } catch {
      reason = 'expected a file that this browser can read';
    }
    tell({ outcome: 'unreadable', reason }, file.name);
    return null;
  }

  function tell(found, name, photo) {
    const count = found.map?.states.length;
    const of = photo ? `'${photo}' is the photo: its SHA-256 is the one in the file.`
      : `No photo was compared: the file names '${found.subject}'. Choose it too, and its SHA-256 is compared.`;
    const drawn = found.field === 'claim.verdict' ? 'What the file says follows from its evidence, window by window.'
      : 'What the file says follows from its evidence, but it is about another photo.';
    if (found.outcome === 'proved') {
      say('proved', '✔', `Proved: ${found.claim}`,
        `Checked by this browser alone, level arithmetic: from the evidence to the verdict, at ${count} windows, exactly.`,
        of, `On trust: that this network says this of this photo; ${found.trusted.join(', ')}.`);
    } else if (found.outcome === 'refused') {
      say('refused', '✘', `Refused: ${found.field}: ${found.reason}`, ...(found.map ? [drawn] : []));
    } else if (found.outcome === 'unreadable') {
      say('unreadable', '✘', `Unreadable: '${name}': ${found.reason}`);
    } else {
      say('failed', '?', `Not checked: ${found.reason}`);
    }
    windows.show(found.map);
  }

  async function run() {
    stop();
    const { proof, photo } = given, own = {};
    if (!proof) {
      say('waiting', '?', 'Not checked: the certificate file is missing.');
      return;
    }
    given.run = own;
    windows.show(null);
    answer.className = 'pg-answer';
    answer.textContent = `Checking '${proof.name}' …`;
    const failed = (reason) => { stop(); tell({ outcome: 'failed', reason }); };
    const source = await ready.then((made) => made.at(-1), () => null);
    if (!source) {
      failed('the checker did not load; reload the page');
      return;
    }
    const data = { proof: await bytesOf(proof), photo: photo && await bytesOf(photo) };
    // Another file may have come in the meantime.
    if (!data.proof || (photo && !data.photo) || given.run !== own || !root.isConnected) return;
    worker = new Worker(source, { type: 'module' });
    worker.onmessage = (event) => { stop(); tell(event.data, proof.name, photo?.name); };
    worker.onerror = (event) => failed(event.message || 'this browser cannot run it');
    timer = setTimeout(() => failed(`it takes longer than ${MAX_SECONDS} seconds here; run python -I checker.py`),
      1000 * MAX_SECONDS);
    worker.postMessage(data);
  }

  // Another certificate is about another photo.
  const take = (fresh) => {
    given = fresh.proof ? { photo: null, ...fresh } : { ...given, ...fresh };
    if (fresh.proof && !fresh.photo) photoInput.value = '';
    run();
  };
  for (const input of [proofInput, photoInput]) {    // a file that was changed may be chosen again
    input.addEventListener('click', () => { input.value = ''; });
  }
  proofInput.addEventListener('change', () => { if (proofInput.files[0]) take({ proof: proofInput.files[0] }); });
  photoInput.addEventListener('change', () => { if (photoInput.files[0]) take({ photo: photoInput.files[0] }); });
  const carried = (files) => {
    const proof = files.find((file) => file.name.endsWith('.json')) ?? (given.proof ? null : files[0]);
    const photo = files.find((file) => file !== proof);
    take({ ...(proof && { proof }), ...(photo && { photo }) });
  };
  // On this page what is dropped or pasted anywhere stays in the browser: on others the album hands it to the server. The
  // window hears of it before the document, at which the album listens.
  const ours = (event, files) => {
    if (!files || event.target.closest?.('[data-testid=stFileUploader]')) return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  };
  const over = (is) => drop.classList.toggle('pg-over-drop', is);
  const listeners = {
    dragover: (event) => over(ours(event, event.dataTransfer?.types.includes('Files'))),
    dragleave: (event) => { if (!event.relatedTarget) over(false); },
    drop: (event) => {
      over(false);
      const files = [...event.dataTransfer?.files ?? []];
      if (ours(event, files.length)) carried(files);
    },
    paste: (event) => {
      const files = [...event.clipboardData?.files ?? []];
      if (ours(event, files.length)) carried(files);
    },
  };
  for (const [name, listener] of Object.entries(listeners)) window.addEventListener(name, listener, true);

  shown.apply = (data) => windows.style(data);
  shown.destroy = () => {
    stop();
    windows.destroy();
    ready.then((made) => made.forEach((url) => URL.revokeObjectURL(url)), () => {});
    for (const [name, listener] of Object.entries(listeners)) window.removeEventListener(name, listener, true);
  };
  return shown;
}
