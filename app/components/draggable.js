// A box of pixels on a picture that a person takes: by mouse, pen, finger, wheel and keys.
// Not here: what the box is for. `move` is told of every new box, `rest` once it has come to rest.

import { sameBox } from './stage_geometry.js';

export const KEY_PAUSE = 250;                              // ms after the last key or turn of the wheel
const LARGE_STEP = 8;                               // pixels, with Shift
export const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

// options: box() and bounds() in pixels, smallest side, pixelAt(event) as [row, column], move(box), rest().
export function draggable(element, handle, options) {
  const held = { active: false };
  let grip = null, before = null, timer = 0, turned = 0;

  function change([top, left, height, width]) {
    const [rows, columns] = options.bounds();
    const within = (value, low, high) => Math.max(low, Math.min(high, Math.round(value)));
    height = within(height, Math.min(options.smallest, rows), rows);
    width = within(width, Math.min(options.smallest, columns), columns);
    const fitted = [within(top, 0, rows - height), within(left, 0, columns - width), height, width];
    if (!sameBox(fitted, options.box())) options.move(fitted);
  }
  function grow(pixels) {
    const [top, left, height, width] = options.box();
    change([top - pixels, left - pixels, height + 2 * pixels, width + 2 * pixels]);
  }
  function take() {
    if (!held.active) before = options.box();
    held.active = true;
  }
  function release() {
    clearTimeout(timer);
    timer = 0;
    grip = null;
    if (!held.active) return;
    held.active = false;
    element.classList.remove('pg-held');
    options.rest();
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
    const [top, left, height, width] = options.box(), [row, column] = options.pixelAt(event);
    const resizing = event.currentTarget === handle;
    grip = { pointer: event.pointerId, resizing, row: row - (resizing ? height : top), column: column - (resizing ? width : left) };
    element.classList.add('pg-held');
  }
  function drag(event) {
    if (!grip || event.pointerId !== grip.pointer) return;
    const [top, left, height, width] = options.box();
    const [row, column] = options.pixelAt(event).map((pixel, axis) => pixel - (axis ? grip.column : grip.row));
    const [rows, columns] = options.bounds();
    change(grip.resizing ? [top, left, Math.min(row, rows - top), Math.min(column, columns - left)] : [row, column, height, width]);
  }
  function letGo(event) {
    if (grip && event.pointerId === grip.pointer) release();
  }
  for (const part of [element, handle]) {
    part.addEventListener('pointerdown', press);
    part.addEventListener('pointermove', drag);
    part.addEventListener('pointerup', letGo);
    part.addEventListener('pointercancel', letGo);
  }

  element.addEventListener('keydown', (event) => {
    const size = event.shiftKey ? LARGE_STEP : 1, [rows, columns] = options.bounds();
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
    if (document.activeElement !== element || event.ctrlKey) return;
    event.preventDefault();
    turned += event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY / 100 : event.deltaY / 3;
    const notches = Math.trunc(turned);
    if (!notches || grip) return;
    turned -= notches;
    take();
    grow(-notches);
    releaseSoon();
  }, { passive: false });

  held.stop = () => clearTimeout(timer);
  return held;
}
