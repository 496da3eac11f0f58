// A box of pixels on a picture that a person takes: by mouse, pen, finger, two fingers, wheel and keys.
// Not here: what the box is for. `move` is told of every new box, `rest` once the box is let go, and whether it is
// another than before.

import { sameBox } from './stage_geometry.js';

export const KEY_PAUSE = 250;                              // ms after the last key or turn of the wheel
const LARGE_STEP = 8;                               // pixels, with Shift
const LEAST_INSIDE = 12, FINE = 14, COARSE = 26;    // sides of the handle in pixels of the page
export const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

// Where the handle of a box goes, all in pixels of the page: inside its corner, a quarter of the shorter side at most;
// where that is too small to be taken, outside it, along each axis on a side where there is room.
export function handleOf([top, left, height, width], room, coarse) {
  const quarter = Math.min(height, width) / 4, usual = coarse ? COARSE : FINE;
  if (quarter >= LEAST_INSIDE) return { side: Math.min(usual, quarter), corner: [1, 1], outside: [false, false] };
  const after = [top + height, left + width].map((end, axis) => end + usual <= room[axis]);
  const ahead = [top, left].map((start, axis) => !after[axis] && start >= usual);
  return { side: usual, corner: ahead.map((first) => (first ? -1 : 1)), outside: after.map((free, axis) => free || ahead[axis]) };
}

// options: box() and bounds() in pixels, least() as [rows, columns], pixelAt(event) as [row, column], move(box),
// rest(changed); fixed(), whether the box keeps its size, and step(), the pixels of an arrow key, where it is not 1.
export function draggable(element, handle, options) {
  const held = { active: false };
  const touches = new Map();                        // where the fingers are, by pointer
  let grip = null, pinch = null, before = null, timer = 0, turned = 0, corner = [1, 1], shape = '', moved = false;

  const within = (value, low, high) => Math.max(low, Math.min(high, Math.round(value)));
  // A box that is smaller than the least already, as the adversary's may be, grows or stays.
  const fitted = (sides) => (options.fixed?.() ? options.box().slice(2) : sides.map((side, axis) => {
    const most = options.bounds()[axis];
    return within(side, Math.min(options.least()[axis], (before ?? options.box())[axis + 2], most), most);
  }));
  function change([top, left, ...sides]) {
    const [rows, columns] = options.bounds(), [height, width] = fitted(sides);
    const box = [within(top, 0, rows - height), within(left, 0, columns - width), height, width];
    if (sameBox(box, options.box())) return;
    moved = true;
    options.move(box);
  }
  // A box of these sides about a middle.
  function centred(middle, sides) {
    const [height, width] = fitted(sides);
    change([middle[0] - height / 2, middle[1] - width / 2, height, width]);
  }
  const middleOf = ([top, left, height, width]) => [top + height / 2, left + width / 2];
  function grow(pixels) {
    const [top, left, ...sides] = options.box(), larger = fitted(sides.map((side) => side + 2 * pixels));
    change([top - (larger[0] - sides[0]) / 2, left - (larger[1] - sides[1]) / 2, ...larger]);
  }
  function take() {
    if (held.active) return;
    before = options.box();
    moved = false;
    held.active = true;
  }
  function release() {
    clearTimeout(timer);
    timer = 0;
    grip = pinch = null;
    touches.clear();
    if (!held.active) return;
    held.active = false;
    element.classList.remove('pg-held');
    before = null;
    options.rest(moved);
  }
  function releaseSoon() {
    clearTimeout(timer);
    timer = setTimeout(release, KEY_PAUSE);
  }

  function press(event) {
    if (event.button !== 0 || grip) return;
    event.preventDefault();
    event.stopPropagation();
    element.focus({ preventScroll: true });
    event.target.setPointerCapture(event.pointerId);
    clearTimeout(timer);
    take();
    const box = options.box(), resizing = event.currentTarget === handle, at = options.pixelAt(event);
    const edges = [0, 1].map((axis) => box[axis] + (resizing && corner[axis] > 0 ? box[axis + 2] : 0));
    grip = { pointer: event.pointerId, resizing, corner, off: at.map((pixel, axis) => pixel - edges[axis]) };
    if (event.pointerType === 'touch') touches.set(event.pointerId, at);
    element.classList.add('pg-held');
  }
  // The other finger may come down beside the box, which is small.
  function pressAnother(event) {
    if (!grip || pinch || event.pointerType !== 'touch' || !touches.size || touches.has(event.pointerId)) return;
    event.preventDefault();
    event.stopPropagation();
    element.setPointerCapture(event.pointerId);
    touches.set(event.pointerId, options.pixelAt(event));
    pinch = { box: options.box(), from: spread() };
  }
  // How far apart two fingers are, and the middle between them.
  function spread() {
    const [one, other] = touches.values();
    return { apart: Math.hypot(one[0] - other[0], one[1] - other[1]), middle: one.map((pixel, axis) => (pixel + other[axis]) / 2) };
  }
  function drag(event) {
    if (touches.has(event.pointerId)) touches.set(event.pointerId, options.pixelAt(event));
    if (pinch) {
      const { apart, middle } = spread(), start = middleOf(pinch.box), factor = apart / Math.max(1, pinch.from.apart);
      centred(start.map((pixel, axis) => pixel + middle[axis] - pinch.from.middle[axis]), pinch.box.slice(2).map((side) => side * factor));
      return;
    }
    if (!grip || event.pointerId !== grip.pointer) return;
    const box = options.box(), at = options.pixelAt(event).map((pixel, axis) => pixel - grip.off[axis]);
    if (!grip.resizing) {
      change([...at, ...box.slice(2)]);
      return;
    }
    // The opposite corner stays.
    const bounds = options.bounds(), ends = [0, 1].map((axis) => box[axis] + box[axis + 2]);
    const sides = fitted([0, 1].map((axis) => (grip.corner[axis] > 0
      ? Math.min(at[axis], bounds[axis]) - box[axis] : ends[axis] - Math.max(0, at[axis]))));
    change([...[0, 1].map((axis) => (grip.corner[axis] > 0 ? box[axis] : ends[axis] - sides[axis])), ...sides]);
  }
  function letGo(event) {
    if (grip && (event.pointerId === grip.pointer || touches.has(event.pointerId))) release();
  }
  for (const part of [element, handle]) {
    part.addEventListener('pointerdown', press);
    part.addEventListener('pointermove', drag);
    part.addEventListener('pointerup', letGo);
    part.addEventListener('pointercancel', letGo);
  }
  document.addEventListener('pointerdown', pressAnother, { capture: true });

  element.addEventListener('keydown', (event) => {
    const size = (event.shiftKey ? LARGE_STEP : 1) * (options.step?.() ?? 1), [rows, columns] = options.bounds();
    const [top, left, height, width] = options.box(), step = ARROWS[event.key];
    if (event.key === 'Escape' && held.active) {
      change(before);
      release();
    } else if (grip) {
      return;                                       // the pointer has it
    } else if (step || ['Home', 'End', '+', '=', '-', '_'].includes(event.key)) {
      take();
      if (step) change([top + size * step[0], left + size * step[1], height, width]);
      if (event.key === 'Home') change([0, 0, height, width]);
      if (event.key === 'End') change([rows - height, columns - width, height, width]);
      if ('+='.includes(event.key)) grow(1);
      if ('-_'.includes(event.key)) grow(-1);
      releaseSoon();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  });
  // Only in the hand of the person: a page that is scrolled under the pointer must not change the box.
  element.addEventListener('wheel', (event) => {
    if (document.activeElement !== element || event.ctrlKey || options.fixed?.()) return;
    event.preventDefault();
    turned += event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY / 100 : event.deltaY / 3;
    const notches = Math.trunc(turned);
    if (!notches || grip) return;
    turned -= notches;
    take();
    grow(-notches);
    releaseSoon();
  }, { passive: false });

  // The handle for a box as it is on the page, and the room around it; it stays at its corner while it is held.
  held.fit = (box, room) => {
    if (grip?.resizing) return;
    const { side, outside, corner: there } = handleOf(box, room, matchMedia('(pointer: coarse)').matches);
    if (shape === (shape = [side, outside, there].join())) return;
    corner = there;
    const off = outside.map((out) => (out ? '100%' : '-2px'));
    Object.assign(handle.style, {
      width: `${side}px`, height: `${side}px`, top: '', bottom: '', left: '', right: '',
      [outside[0] && corner[0] > 0 ? 'top' : 'bottom']: off[0],
      [outside[1] && corner[1] > 0 ? 'left' : 'right']: off[1],
      cursor: corner[0] === corner[1] ? 'nwse-resize' : 'nesw-resize',
    });
  };
  held.stop = () => {
    clearTimeout(timer);
    document.removeEventListener('pointerdown', pressAnother, { capture: true });
  };
  return held;
}
