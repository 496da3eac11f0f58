// The stage of stage.py: four linked panels, and the patch that a person drags over the photo.
//
// At rest Plotly shows the figure that Python sent. From the first move on until Python has sent the figure of the
// place where the patch came to rest, Plotly stays as it is, and what moves is drawn over it: in each frame the patch
// alone, as a layer that the compositor moves; its outlines, words and maps a few times a second.

import { courier } from './courier.js';
import { ARROWS, draggable, KEY_PAUSE } from './draggable.js';
import { crisp, loadPlotly, themed, themeOf, TOOLS } from './plotly_loader.js';
import { cellSpans, float64, footprintOf, sameBox, windowContaining, wrapped } from './stage_geometry.js';
import { marker, pointOf, WINDOW } from './stage_marks.js';
import { arrange, framed, inset, insetOf, paint, PANELS, placesOf, styled } from './stage_panels.js';
import { wipe } from './stage_wipe.js';
import { inASentence, legend, provedAt, readout } from './stage_words.js';

const DETAILS = 100;                                // ms between what is drawn besides the patch while it moves
const HEAD = 250;                                   // pixels of the page above and below the stage, on a usual page

export default function createStage(root) {
  root.innerHTML = '<div class="pg-note" hidden></div><div class="pg-plot"></div><div class="pg-over"></div>'
    + '<div class="pg-bar"><button type="button" class="pg-full">Full screen</button></div>'
    + '<dl class="pg-readout"></dl><ul class="pg-legend"></ul><div class="pg-live" role="status" aria-live="polite"></div>';
  root.tabIndex = 0;
  root.setAttribute('role', 'application');
  const [note, plot, over, bar, words, lines, live] = root.children, full = bar.firstChild;

  const stage = { draws: 0, frames: 0, answers: 0, hovered: null, picked: null, box: null, placement: null };
  let data = null, scene = null, figure = null, component = null, Plotly = null;
  let drawn = '', painted = null, timer = 0, speech = 0, frame = 0, later = 0, detailed = 0, said = WINDOW, places = null;

  // ---- what the browser draws over the panels -----------------------------------------------------
  const panels = Object.fromEntries(PANELS.map((panel) => [panel, framed(panel, plot, over)]));
  const moving = {                                    // shown while the patch moves
    pictures: [panels[2].add('pg-moving pg-picture')],
    maps: [panels[2].add('pg-moving pg-cells', 'canvas'), panels[3].add('pg-moving pg-cells', 'canvas')],
    outlines: [1, 2, 3].flatMap((panel) => ['footprint', 'detected', 'malicious']
      .filter((name) => panel > 1 || name !== 'detected')
      .flatMap((name) => [false, true].map((again) => ({ name, panel, again, element: panels[panel].add('pg-moving pg-line') })))),
    current: panels[4].add('pg-moving pg-line'),
  };
  const patch = panels[1].add('pg-patch pg-picture');
  patch.innerHTML = '<div class="pg-handle" title="Drag to resize the patch"></div>';
  patch.tabIndex = 0;
  patch.setAttribute('role', 'application');
  patch.setAttribute('aria-roledescription', 'draggable patch');
  const before = [1, 2, 3].map((panel) => panels[panel].add('pg-before'));
  const dims = PANELS.map((panel) => panels[panel].add('pg-dim'));
  const curtain = wipe(panels[1], render), marked = marker(panels);
  before.forEach((layer, index) => { layer.innerHTML = (index < 2 ? '<img alt="">' : '') + (index ? '<canvas class="pg-cells"></canvas>' : ''); });

  const post = courier((message) => component.setStateValue('patch', message));
  const hold = draggable(patch, patch.firstChild, {
    // A cell's stride; along an axis on which every cell sees all of the image, any number of pixels.
    least: () => data.stage.stride.map((stride, axis) => (stride < data.stage.image[axis] ? stride : 1)),
    box: () => stage.box,
    bounds: () => data.stage.image,
    pixelAt: panels[1].at,
    move(box) {
      stage.box = box;
      said = 'patch';
      root.classList.add('pg-is-moving');
      tell(false);
      render();
    },
    rest(changed) {
      if (changed) tell(true);
      show();
    },
  });
  function tell(resting) {
    const [top, left, height, width] = stage.box;
    post.send({ photo: scene.photo, top, left, height, width, resting });
  }

  // ---- the figure ---------------------------------------------------------------------------------
  async function draw() {
    if (!scene || !root.clientWidth) return;
    const wanted = [scene.figure, root.clientWidth, filling() ? window.innerHeight : '', themeOf(root)].join('|');
    if (wanted !== drawn) {
      drawn = wanted;
      const font = `1em ${getComputedStyle(words).fontFamily}`;     // by which the words are measured
      [Plotly] = await Promise.all([loadPlotly(data.plotly), ...['', 'italic '].map((style) => document.fonts.load(style + font))]);
      if (wanted !== drawn) return;                     // a newer figure came while Plotly was loading
      figure = JSON.parse(scene.figure);
      const ratio = data.stage.image[0] / data.stage.image[1];
      places = placesOf(root.clientWidth, window.innerHeight - (filling() ? topOfStage() : HEAD), ratio, heightOfWords);
      arrange(figure, places, root.clientWidth, ratio);
      await Plotly.react(plot, figure.data, themed(root, figure.layout), TOOLS);
      put(words, places.words);
      put(lines, places.legend);
      put(bar, { left: places.panels[0].left, top: places.panels[0].top + places.panels[0].width * ratio + 6, width: places.panels[0].width });
      lines.innerHTML = legend(scene.lines, data);
      note.hidden = true;
      root.classList.add('pg-drawn');
      if (!stage.draws) listen();
      stage.draws += 1;
      prepare();
    }
    if (settled()) root.classList.remove('pg-is-moving');
    mark(null);
    render();
  }
  const filling = () => document.documentElement.classList.contains('pg-filling');
  // How far the stage lies below the top of what can be scrolled.
  function topOfStage() {
    const scrolled = root.closest('[data-testid="stMain"]');
    return root.getBoundingClientRect().top - (scrolled?.getBoundingClientRect().top ?? 0) + (scrolled?.scrollTop ?? 0) + 30;
  }
  const settled = () => !hold.active && post.idle && Boolean(data.scene);
  // How high the words get, for a width, while a patch of this size moves and the network has not answered yet; never
  // less than before, or the page would jump.
  const heights = new Map();
  function heightOfWords(width) {
    if (!scene.patch) return 0;
    const [top, left, ...size] = scene.patch, trial = words.cloneNode();
    trial.innerHTML = htmlOf(readout([top + 1, left + 1, ...size], stage.known(scene.patch), data, scene, { row: -1, column: -1 }));
    Object.assign(trial.style, { position: 'absolute', visibility: 'hidden', width: `${width}px`, height: '' });
    root.appendChild(trial);
    const { marginTop, marginBottom } = getComputedStyle(trial);
    const height = trial.offsetHeight + parseFloat(marginTop) + parseFloat(marginBottom);
    trial.remove();
    heights.set(width, Math.max(height, heights.get(width) ?? 0));
    return heights.get(width);
  }
  function put(element, place) {
    element.style.position = place ? 'absolute' : '';
    for (const side of ['left', 'top', 'width', 'height']) element.style[side] = place?.[side] ? `${place[side]}px` : '';
  }

  // What stays the same until the next figure: pictures, line styles, the maps without the patch.
  function prepare() {
    const sources = figure.layout.images.map((image) => image.source), picture = scene.patch ? `url(${sources.at(-1)})` : '';
    for (const element of [patch, ...moving.pictures]) element.style.backgroundImage = picture;
    for (const image of crisp(plot, figure.layout)) {
      image.classList.toggle('pg-patched', Boolean(picture) && image.getAttribute('href') === sources.at(-1));
    }
    root.classList.toggle('pg-crisp', plot.querySelector('.pg-crisp-image') !== null);
    for (const { name, element } of moving.outlines) styled(element, scene.lines[name]);
    styled(moving.current, scene.lines.current);
    const clean = [null, scene.logits, scene.evidence].map((values) => values && float64(values));
    before.forEach((layer, index) => {
      const [image, canvas] = [layer.querySelector('img'), layer.querySelector('canvas')];
      if (image) image.src = sources[0];
      if (canvas) paint(canvas, clean[index], data.stage.map, figure.data[index]);
    });
    [...moving.maps, ...before.map((layer) => layer.querySelector('canvas'))].forEach((canvas) => {
      if (canvas?.parentElement.closest('[data-panel="2"]')) canvas.style.opacity = figure.data[1].opacity;
    });
    stage.clean = clean;
    painted = null;
  }

  // ---- every frame --------------------------------------------------------------------------------
  function render() {
    frame ||= requestAnimationFrame((now) => {
      frame = 0;
      if (!stage.draws) return;
      stage.frames += 1;
      patch.hidden = !stage.box;
      if (stage.box) panels[1].move(patch, stage.box);
      if (!root.classList.contains('pg-is-moving') || now - detailed >= DETAILS) drawDetails();
      else later ||= setTimeout(() => { later = 0; render(); }, DETAILS);
    });
  }
  function drawDetails() {
    detailed = performance.now();
    PANELS.forEach((panel) => panels[panel].fit());
    const [height, width] = data.stage.image, whole = [[0, height], [0, width]];
    const everywhere = cellSpans([0, 0, ...data.stage.map], data.stage);
    compareWith(curtain.share, whole, everywhere);
    const there = stage.box && drawPatch(everywhere);
    if (!stage.box) stage.placement = null;
    curtain.draw(there);
    write();
  }

  // What is known of a patch at a place without asking: its footprint, its window or placement, and what is proved.
  stage.known = (box) => {
    const reached = footprintOf(box, data.certified), window = reached && windowContaining(reached, data.certified);
    return { ...provedAt(box, scene.placements, data.certified), footprint: footprintOf(box, data.stage), window };
  };

  function drawPatch(everywhere) {
    const [top, left, height, width] = stage.box, spans = [[top, top + height], [left, left + width]];
    const there = panels[1].place(patch, spans);
    hold.fit(there, panels[1].room());
    const { answer } = data, { footprint, window: snapped } = stage.placement = stage.known(stage.box);
    patch.setAttribute('aria-label', `Patch of ${height} by ${width} pixels at row ${top}, column ${left}. Arrow keys move it, `
      + 'with Shift by 8 pixels; plus and minus resize it.');
    if (!root.classList.contains('pg-is-moving')) return there;
    for (const picture of moving.pictures) panels[2].place(picture, spans);
    const detected = answer.detected && [...answer.detected, ...data.stage.window];
    const malicious = snapped && [snapped.row, snapped.column, ...data.certified.window];
    for (const { name, panel, again, element } of moving.outlines) {
      const found = { footprint, detected, malicious }[name], where = name === 'malicious' ? data.certified : data.stage;
      const cells = found && again ? wrapped(found, where) : found;
      element.hidden = !cells;
      if (!cells) continue;
      const pixels = name === 'footprint' ? insetOf(places, panel, figure.layout) : 0;
      panels[panel].place(element, inset(cellSpans(cells, where), pixels));
    }
    moving.current.hidden = !snapped;
    if (snapped) panels[4].place(moving.current, [[snapped.row - 0.5, snapped.row + 0.5], [snapped.column - 0.5, snapped.column + 0.5]]);
    if (painted !== answer) {
      painted = answer;
      [answer.logits, answer.evidence].forEach((values, index) => {
        paint(moving.maps[index], withCells(stage.clean[index + 1], values, answer.footprint), data.stage.map, figure.data[index + 1]);
      });
    }
    moving.maps.forEach((canvas, index) => panels[index + 2].place(canvas, everywhere));
    return there;
  }

  // Evidence outside the footprint is that of the photo; the network ran for the footprint alone.
  function withCells(clean, values, footprint) {
    const cells = clean.slice();
    if (!footprint) return cells;
    const [top, left, , width] = footprint, changed = float64(values);
    const columns = data.stage.map[1];
    changed.forEach((value, cell) => {
      cells[(top + Math.floor(cell / width)) * columns + (left + cell % width) % columns] = value;
    });
    return cells;
  }

  function compareWith(share, whole, everywhere) {
    const shown = Boolean(stage.box) && share > 0;
    before.forEach((layer, index) => {
      layer.hidden = !shown;
      if (!shown) return;
      const image = layer.querySelector('img'), canvas = layer.querySelector('canvas'), panel = panels[index + 1];
      if (image) panel.place(image, whole);
      if (canvas) panel.place(canvas, everywhere);
      layer.style.clipPath = `inset(0 ${100 * (1 - share)}% 0 0)`;
      layer.style.setProperty('--pg-line', `${100 * share}%`);
    });
  }

  // ---- in words -----------------------------------------------------------------------------------
  const htmlOf = (lines) =>
    lines.map(([term, meaning, kind]) => `<dt>${term}</dt><dd class="${kind ?? ''}">${meaning}</dd>`).join('');
  function write() {
    const html = htmlOf(stage.box ? readout(stage.box, stage.placement, data, scene, stage.picked) : []);
    if (words.innerHTML !== html && stage.html !== html) {
      words.innerHTML = stage.html = html;
      // A patch of another size takes more words; beside the panels they are the last, and what follows makes way.
      root.style.minHeight = words.style.position ? `${words.offsetTop + words.scrollHeight}px` : '';
    }
    clearTimeout(speech);
    speech = setTimeout(() => {
      const sentence = said === 'patch' && stage.box ? inASentence(stage.box, stage.placement, data) : scene.spoken;
      if (live.textContent !== sentence) live.textContent = sentence;
    }, KEY_PAUSE);
  }

  function mark(point) {
    stage.hovered = point;
    marked(point, data.stage, data.certified);
  }

  // ---- picking a window ---------------------------------------------------------------------------
  function pick(row, column, delay) {
    stage.picked = { row, column };
    said = WINDOW;
    mark({ kind: WINDOW, row, column });
    render();
    clearTimeout(timer);
    timer = setTimeout(() => component.setTriggerValue('window', stage.picked), delay);
  }

  function listen() {
    plot.on('plotly_hover', (event) => mark(pointOf(event)));
    plot.on('plotly_unhover', () => mark(null));
    plot.on('plotly_relayout', () => { mark(null); render(); });
    plot.on('plotly_relayouting', render);
    plot.on('plotly_click', (event) => {
      const point = pointOf(event);
      if (point?.kind === WINDOW) pick(point.row, point.column, 0);
    });
  }

  root.addEventListener('keydown', (event) => {
    const step = ARROWS[event.key];
    if (!step || !Plotly || event.target !== root) return;
    event.preventDefault();
    event.stopPropagation();
    const [row, column] = [stage.picked.row, stage.picked.column].map((position, axis) =>
      Math.max(0, Math.min(data.certified.positions[axis] - 1, position + step[axis])));
    pick(row, column, 150);                             // a held key sends the last window only
  });
  // The page fills the screen, not the stage alone: with its headline, and its sidebar, where the samples are chosen.
  full.addEventListener('click', () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen()));
  function filled() {
    const filling = document.fullscreenElement === document.documentElement;
    document.documentElement.classList.toggle('pg-filling', filling);
    full.textContent = filling ? 'Leave full screen' : 'Full screen';
    redraw();
    if (filling) document.querySelector('[data-testid="stMain"]')?.scrollTo(0, 0);   // to the headline
  }
  document.addEventListener('fullscreenchange', filled);
  const resized = new ResizeObserver(() => redraw());
  resized.observe(root);

  const redraw = () => draw().catch((error) => { note.hidden = false; note.textContent = `The panels cannot be drawn: ${error.message}`; });

  // Whether the network has said what it says of the patch where it is now.
  stage.answered = () => sameBox(data.answer?.patch, stage.box);
  stage.apply = (fresh, current) => {
    if (fresh.answer && !sameBox(fresh.answer.patch, data?.answer?.patch)) stage.answers += 1;
    data = fresh;
    component = current;
    const malicious = data.certified.what === WINDOW ? 'malicious window' : 'placement of the patch';
    root.setAttribute('aria-label', `Photo, local logits, evidence and margin map. Arrow keys choose the ${malicious}.`);
    post.acknowledge(data.acknowledged);
    dims.forEach((dim, index) => { dim.hidden = data.panels.includes(PANELS[index]); });
    show();
  };
  // What Python sent last, unless the hand has overtaken it.
  function show() {
    if (data.scene && data.scene !== scene && (!scene || (!hold.active && post.idle))) {
      scene = data.scene;
      stage.picked = scene.picked;
      stage.box = scene.patch;
      redraw();
    } else {
      render();
    }
  }
  stage.destroy = () => {
    resized.disconnect();
    cancelAnimationFrame(frame);
    document.removeEventListener('fullscreenchange', filled);
    for (const pending of [timer, speech, later]) clearTimeout(pending);
    hold.stop();
    post.stop();
    Plotly?.purge(plot);
  };
  return stage;
}
