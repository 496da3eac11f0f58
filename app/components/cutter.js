// A photo with a box on it, of cutter.py: a sticker is cut out of it by a new box, or the one there, taken and resized;
// what a network sees keeps its size, and is moved alone.

import { courier } from './courier.js';
import { draggable } from './draggable.js';

const STEPS = 100;                                  // arrow keys from one end of a photo to the other, if it is large

export default function createCutter(root) {
  root.innerHTML = '<div><img alt="" draggable="false"><div><div class="pg-cut-handle"></div></div></div>';
  const source = root.firstChild, [image, cut] = source.children;
  cut.tabIndex = 0;
  cut.setAttribute('role', 'application');
  const cutter = { box: null };
  let data = null, component = null, corner = null;

  const post = courier((message) => component.setStateValue('cut', message));
  const at = (event) => {
    const { left, top, width, height } = image.getBoundingClientRect();
    return [(event.clientY - top) * data.size[0] / height, (event.clientX - left) * data.size[1] / width];
  };
  const rest = () => {
    const [top, left, height, width] = cutter.box;
    post.send({ top, left, height, width, photo: data.photo });
  };
  const move = (box) => {
    cutter.box = box;
    const [top, left, height, width] = box, [rows, columns] = data.size;
    Object.assign(cut.style, {
      top: `${100 * top / rows}%`, left: `${100 * left / columns}%`, height: `${100 * height / rows}%`, width: `${100 * width / columns}%`,
    });
    const { height: down, width: across } = image.getBoundingClientRect();
    hold.fit([down * top / rows, across * left / columns, down * height / rows, across * width / columns], [down, across]);
    cut.setAttribute('aria-label', data.smallest === null
      ? `What the network sees: ${height} by ${width} pixels of the photo, from row ${top} and column ${left} on. Arrow keys move it.`
      : `Sticker of ${height} by ${width} pixels at row ${top}, column ${left} of the photo. `
      + 'Arrow keys move it, plus and minus resize it.');
  };
  const hold = draggable(cut, cut.firstChild, {
    least: () => [data.smallest, data.smallest],
    fixed: () => data.smallest === null,
    step: () => (data.smallest === null ? Math.max(1, Math.round(Math.max(...data.size) / STEPS)) : 1),
    box: () => cutter.box,
    bounds: () => data.size,
    pixelAt: at,
    move,
    rest: (changed) => { if (changed) rest(); },
  });

  image.addEventListener('load', () => { if (cutter.box) move(cutter.box); });   // only now has the handle a place

  // Beside the box: a new one, from the corner where the pointer went down to where it is.
  source.addEventListener('pointerdown', (event) => {
    if (event.button !== 0 || event.target !== image || data.smallest === null) return;
    event.preventDefault();
    corner = at(event);
    image.setPointerCapture(event.pointerId);
  });
  image.addEventListener('pointermove', (event) => {
    if (!corner) return;
    const spans = at(event).map((end, axis) => {
      const size = data.size[axis], start = Math.round(corner[axis]);
      const low = Math.max(0, Math.round(Math.min(start, end))), high = Math.min(size, Math.round(Math.max(start, end)));
      const length = Math.max(data.smallest, high - low);
      return [Math.min(low, size - length), length];
    });
    move([spans[0][0], spans[1][0], spans[0][1], spans[1][1]]);
  });
  for (const name of ['pointerup', 'pointercancel']) {
    image.addEventListener(name, () => {
      if (!corner) return;
      corner = null;
      rest();
    });
  }

  cutter.apply = (fresh, current) => {
    data = fresh;
    component = current;
    source.className = data.smallest === null ? 'pg-whole' : 'pg-source';
    cut.classList.add(data.smallest === null ? 'pg-crop' : 'pg-cut');
    post.acknowledge(data.acknowledged);
    image.src = data.picture;
    if (!corner && !hold.active && post.idle) move(data.cut);
  };
  cutter.destroy = () => {
    hold.stop();
    post.stop();
  };
  return cutter;
}
