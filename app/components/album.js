// The photos of album.py: kept in this browser, asked for by their SHA-256, and handed to the uploader like any file.
//
// Python says which photos are to be kept: only those that it could read, under the SHA-256 that it found. What comes
// back goes through the uploader and is hashed again there, so what lies in the browser need not be believed.

const NAME = 'patchguard-photos', STORE = 'photos';
const RECENT = 16;                                  // files of the uploader that wait for Python to name them
const PATIENCE = 5000, TRIES = 12;                  // ms until a file that the uploader has not taken is handed over again

export default function createAlbum(root) {
  root.innerHTML = '<button type="button">Choose a photo</button><button type="button">Take a photo</button>';
  const album = { known: [], missing: [], failed: '' };
  const recent = [], asked = new Map();             // whether each photo that is asked for was found, by its SHA-256
  const askedAs = new WeakMap(), tries = new WeakMap();  // of a file: its SHA-256, and how often it was handed over
  let data = null, component = null, reported = '', gone = false, database = null, queue = Promise.resolve();

  const report = () => {
    const message = { known: album.known, missing: album.missing };
    if (JSON.stringify(message) === reported) return;
    reported = JSON.stringify(message);
    component.setStateValue('report', message);
  };
  const input = (key = data.uploader) => document.querySelector(`.st-key-${key} input[type=file]`);
  const handOver = (files, key = data.uploader) => {
    const target = input(key);
    if (!files.length) return;
    if (!target) {                                  // the page is still being built
      insist(files, key);
      return;
    }
    const held = new DataTransfer();
    for (const file of files) held.items.add(file);
    target.files = held.files;
    target.dispatchEvent(new Event('change', { bubbles: true }));
  };
  const pick = (capture) => {
    const chooser = Object.assign(document.createElement('input'), { type: 'file', accept: 'image/*', multiple: !capture });
    if (capture) chooser.capture = 'environment';
    chooser.addEventListener('change', () => handOver([...chooser.files]));
    chooser.click();
  };

  async function follow() {
    database ??= await opened();
    if (data.forget > (album.forgotten ?? 0)) {
      album.forgotten = data.forget;
      await done(database.transaction(STORE, 'readwrite').objectStore(STORE).clear());
    }
    const before = await stored();
    for (const { digest, name, size, sticker } of data.keep) {
      const old = before.find((photo) => photo.digest === digest);
      const file = recent.findLast((one) => one.name === name && one.size === size);
      if (old ? Boolean(old.sticker) === sticker : !file) continue;
      const bytes = old?.bytes ?? await file.arrayBuffer();
      await done(database.transaction(STORE, 'readwrite').objectStore(STORE).put({ digest, name, bytes, sticker, at: Date.now() }));
    }
    const all = await stored(), photos = all.filter(({ sticker }) => !sticker), stickers = all.filter(({ sticker }) => sticker);
    for (const { digest } of [...photos.splice(data.most), ...stickers.splice(data.most)]) {
      await done(database.transaction(STORE, 'readwrite').objectStore(STORE).delete(digest));
    }
    album.known = photos.map(({ digest, name }) => ({ digest, name }));
    answer([...photos, ...stickers]);
  }
  async function stored() {
    const all = await done(database.transaction(STORE).objectStore(STORE).getAll());
    return all.sort((one, other) => other.at - one.at);
  }
  // Files that an uploader was given are handed over again until it shows them. It asks Python for an address first, and
  // a run that begins just then drops the answer: it would wait for ever.
  function insist(files, key) {
    const chips = () => [...document.querySelectorAll(`.st-key-${key} [data-testid=stFileChip]`)], before = new Set(chips());
    setTimeout(() => {
      if (gone || !chips().every((chip) => before.has(chip))) return;
      const left = files.filter((file) => [undefined, data.ask, data.askSticker].includes(askedAs.get(file)));
      for (const file of left) tries.set(file, (tries.get(file) ?? 1) + 1);
      handOver(left.filter((file) => tries.get(file) <= TRIES), key);
    }, PATIENCE);
  }
  // Hand over what is asked for and is among these, once; and say what is not.
  function answer(here) {
    const wanted = [data.ask, data.askSticker].filter(Boolean), files = [];
    for (const digest of asked.keys()) if (!wanted.includes(digest)) asked.delete(digest);
    for (const digest of wanted.filter((one) => !asked.has(one))) {
      const found = here.find((photo) => photo.digest === digest);
      const file = found ? new File([found.bytes], found.name) : digest === data.ask && copyInLink();
      asked.set(digest, Boolean(file));
      if (!file) continue;
      askedAs.set(file, digest);
      files.push(file);
    }
    album.missing = wanted.filter((digest) => !asked.get(digest));
    handOver(files);
    report();
  }
  const failed = (error) => {                       // a private window, or a full disk: the page works without
    album.failed = error.message;
    answer([]);
  };

  const given = (files, key) => {
    recent.push(...files);
    recent.splice(0, recent.length - RECENT);
    insist([...files], key);
  };
  const uploaderOf = (part) => [data.uploader, data.stickerUploader].find((key) => part.closest?.(`.st-key-${key}`));

  const listeners = {
    change: (event) => {
      const key = event.target.type === 'file' && uploaderOf(event.target);
      if (!key) return;
      // Rows of files that the uploader refused by itself go with the next one.
      for (const button of document.querySelectorAll(`.st-key-${key} [aria-invalid=true] button`)) button.click();
      given(event.target.files, key);
    },
    dragover: (event) => {
      if (!carriesFiles(event.dataTransfer)) return;
      event.preventDefault();
      document.body.classList.add('pg-album-over');
    },
    dragleave: (event) => { if (!event.relatedTarget) document.body.classList.remove('pg-album-over'); },
    drop: (event) => {
      document.body.classList.remove('pg-album-over');
      const files = [...event.dataTransfer?.files ?? []];
      if (!files.length) return;
      if (event.target.closest?.('[data-testid=stFileUploader]')) {
        const key = uploaderOf(event.target);       // another uploader, or ours, takes it by itself
        if (key) given(files, key);
        return;
      }
      event.preventDefault();
      event.stopPropagation();
      handOver(files);
    },
    paste: (event) => {
      const files = [...event.clipboardData?.files ?? []];
      if (!files.length) return;
      event.preventDefault();
      event.stopPropagation();
      handOver(files);
    },
  };
  for (const [name, listener] of Object.entries(listeners)) document.addEventListener(name, listener, true);
  root.children[0].addEventListener('click', () => pick(false));
  root.children[1].addEventListener('click', () => pick(true));

  album.apply = (fresh, current) => {
    data = fresh;
    component = current;
    queue = queue.then(follow).catch(failed);
  };
  album.destroy = () => {
    gone = true;
    for (const [name, listener] of Object.entries(listeners)) document.removeEventListener(name, listener, true);
    document.body.classList.remove('pg-album-over');
  };
  return album;
}

const carriesFiles = (carried) => [...carried?.types ?? []].includes('Files');

function opened() {
  const request = indexedDB.open(NAME, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: 'digest' });
  return done(request);
}

const done = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

// The copy that a link brings in its fragment, as base64 of the web; Python finds out whether it is the one asked for.
// The fragment never reaches a server by itself. It was read when the module was loaded: Streamlit drops it with the
// first address that it writes.
const FRAGMENT = location.hash;

function copyInLink() {
  const [, text] = FRAGMENT.match(/^#photo=([\w-]+)$/) ?? [];
  if (!text) return null;
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (sign) => sign.charCodeAt(0));
    return new File([bytes], 'copy.jpg');
  } catch {
    return null;
  }
}
