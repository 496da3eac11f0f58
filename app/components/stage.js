// The stage of stage.py: four linked panels, and the patch that a person drags over the photo.
//
// At rest Plotly shows the figure that Python sent. From the first move on until Python has sent the figure of the
// place where the patch came to rest, Plotly stays as it is, and what moves is drawn over it: the patch and its
// outlines at once, the maps of cells for the place that the network answered for last.

import { courier } from './courier.js';
import { ARROWS, draggable, KEY_PAUSE } from './draggable.js';
import { loadPlotly, themed, themeOf, TOOLS } from './plotly_loader.js';
import { cellSpans, float64, footprintOf, sameBox, windowContaining, wrapped } from './stage_geometry.js';
import { arrange, framed, paint, PANELS, placesOf, styled } from './stage_panels.js';
import { inASentence, provedAt, readout } from './stage_words.js';

const CELL = 'cell';
const WINDOW = 'window';

export default function createStage(root) {
  root.innerHTML = '<div class="pg-note">Drawing the panels …</div><div class="pg-plot"></div><div class="pg-over"></div>'
    + '<div class="pg-compare"><span>without patch</span><input type="range" min="0" max="100" value="0" step="any"'
    + ' aria-label="How much of the photo is shown without the patch, per cent"><span>with</span>'
    + '<button type="button" class="pg-full">Full screen</button></div>'
    + '<dl class="pg-readout"></dl><div class="pg-live" role="status" aria-live="polite"></div>';
  root.tabIndex = 0;
  root.setAttribute('role', 'application');
  const [note, plot, over, compare, words, live] = root.children;
  const [slider, full] = [compare.querySelector('input'), compare.querySelector('button')];

  const stage = { draws: 0, frames: 0, answers: 0, hovered: null, picked: null, box: null, placement: null };
  let data = null, scene = null, figure = null, component = null, Plotly = null;
  let drawn = '', painted = null, timer = 0, speech = 0, frame = 0, said = WINDOW;

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
  before.forEach((layer, index) => { layer.innerHTML = (index < 2 ? '<img alt="">' : '') + (index ? '<canvas class="pg-cells"></canvas>' : ''); });
  const marks = PANELS.map((panel) => panels[panel].add('pg-marks'));

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
    const wanted = [scene.figure, root.clientWidth, document.fullscreenElement === root, themeOf(root)].join('|');
    if (wanted !== drawn) {
      drawn = wanted;
      const font = `1em ${getComputedStyle(words).fontFamily}`;     // by which the words are measured
      [Plotly] = await Promise.all([loadPlotly(data.plotly), ...['', 'italic '].map((style) => document.fonts.load(style + font))]);
      if (wanted !== drawn) return;                     // a newer figure came while Plotly was loading
      figure = JSON.parse(scene.figure);
      const ratio = data.stage.image[0] / data.stage.image[1];
      const room = document.fullscreenElement === root ? window.innerHeight - 40 : Math.min(760, window.innerHeight - 250);
      const places = placesOf(root.clientWidth, room, ratio, heightOfWords);
      arrange(figure, places, root.clientWidth, ratio);
      await Plotly.react(plot, figure.data, themed(root, figure.layout), TOOLS);
      put(words, places.words);
      put(compare, { left: places.panels[0].left, top: places.panels[0].top + places.panels[0].width * ratio + 4, width: places.panels[0].width });
      note.hidden = true;
      if (!stage.draws) listen();
      stage.draws += 1;
      prepare();
    }
    if (settled()) root.classList.remove('pg-is-moving');
    mark(null);
    render();
  }
  const settled = () => !hold.active && post.idle && Boolean(data.scene);
  // How high the words get, for a width, while a patch of this size moves and the network has not answered yet; never
  // less than before, or the page would jump.
  const heights = new Map();
  function heightOfWords(width) {
    if (!scene.patch) return 0;
    const [top, left, ...size] = scene.patch, trial = words.cloneNode();
    trial.innerHTML = htmlOf(readout([top + 1, left + 1, ...size], stage.known(scene.patch), data, scene));
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
    for (const image of plot.querySelectorAll('.imagelayer image')) {
      const source = image.getAttribute('xlink:href') ?? image.getAttribute('href');
      image.classList.toggle('pg-patched', Boolean(picture) && source === sources.at(-1));
    }
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
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      if (!stage.draws) return;
      stage.frames += 1;
      PANELS.forEach((panel) => panels[panel].fit());
      const [height, width] = data.stage.image, whole = [[0, height], [0, width]];
      const everywhere = cellSpans([0, 0, ...data.stage.map], data.stage);
      compareWith(slider.valueAsNumber / 100, whole, everywhere);
      patch.hidden = !stage.box;
      compare.classList.toggle('pg-alone', !stage.box);
      if (stage.box) drawPatch(everywhere);
      else stage.placement = null;
      write();
    });
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
    if (!root.classList.contains('pg-is-moving')) return;
    for (const picture of moving.pictures) panels[2].place(picture, spans);
    const detected = answer.detected && [...answer.detected, ...data.stage.window];
    const malicious = snapped && [snapped.row, snapped.column, ...data.certified.window];
    for (const { name, panel, again, element } of moving.outlines) {
      const found = { footprint, detected, malicious }[name], where = name === 'malicious' ? data.certified : data.stage;
      const cells = found && again ? wrapped(found, where) : found;
      element.hidden = !cells;
      if (cells) panels[panel].place(element, cellSpans(cells, where));
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
    const lines = stage.box ? readout(stage.box, stage.placement, data, scene) : [];
    const html = htmlOf(lines);
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

  // ---- marks under the pointer --------------------------------------------------------------------
  function box(panel, kind, spans) {
    const element = document.createElement('div');
    element.className = `pg-mark ${kind}`;
    element.dataset.panel = panel;
    marks[panel - 1].appendChild(element);
    panels[panel].place(element, spans);
  }

  function mark(point) {
    stage.hovered = point;
    for (const layer of marks) layer.replaceChildren();
    if (!point) return;
    const at = [point.row, point.column], spans = point.kind === CELL ? data.stage : data.certified;
    if (point.kind === CELL) {
      for (const panel of [1, 2, 3]) box(panel, 'pg-cell', cellSpans([...at, 1, 1], spans));
      const start = at.map((cell, axis) => cell * spans.stride[axis] - spans.offset[axis]);
      for (const shift of spans.bands ? [0, spans.image[1]] : [0]) {
        box(1, 'pg-field', start.map((pixel, axis) => [pixel, pixel + spans.field[axis]].map((edge) => edge - axis * shift)));
      }
      if (data.certified.what !== WINDOW) return;       // a cell lies in no placement of pixels
      // All windows that hold the cell.
      const held = at.map((cell, axis) => [cell - spans.window[axis] + 1, cell].map((position) =>
        (spans.wrapping && axis ? position : Math.max(0, Math.min(spans.positions[axis] - 1, position)))));
      for (const shift of spans.wrapping ? [0, -spans.positions[1]] : [0]) {
        box(4, 'pg-windows', held.map(([first, last], axis) => [first - axis * shift - 0.5, last - axis * shift + 0.5]));
      }
    } else {
      const window = [...at, ...spans.window];
      for (const part of [window, wrapped(window, spans)].filter(Boolean)) {
        for (const panel of [1, 2, 3]) box(panel, 'pg-windows', cellSpans(part, spans));
      }
      box(4, 'pg-cell', at.map((position) => [position - 0.5, position + 0.5]));
    }
  }

  function pointOf(event) {
    const point = event.points?.find((candidate) => candidate.data.meta);
    if (!point) return null;
    const [row, column] = point.pointNumber;
    return { kind: point.data.meta, row, column };
  }

  // ---- picking a window ---------------------------------------------------------------------------
  function pick(row, column, delay) {
    stage.picked = { row, column };
    said = WINDOW;
    mark({ kind: WINDOW, row, column });
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
  slider.addEventListener('input', render);
  full.addEventListener('click', () => (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen()));
  const resized = new ResizeObserver(() => redraw());
  resized.observe(root);
  root.addEventListener('fullscreenchange', () => {
    full.textContent = document.fullscreenElement === root ? 'Leave full screen' : 'Full screen';
    redraw();
  });

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
    for (const pending of [timer, speech]) clearTimeout(pending);
    hold.stop();
    post.stop();
    Plotly?.purge(plot);
  };
  return stage;
}
