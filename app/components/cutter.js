// A photo out of which a sticker is cut, of cutter.py: drag a box on it, or take and resize the one there.

import { courier } from './courier.js';
import { draggable } from './draggable.js';

export default function createCutter(root) {
  root.innerHTML = '<div class="pg-source"><img alt="" draggable="false"><div class="pg-cut"><div class="pg-cut-handle"></div></div></div>';
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
    post.send({ top, left, height, width });
  };
  const move = (box) => {
    cutter.box = box;
    const [top, left, height, width] = box, [rows, columns] = data.size;
    Object.assign(cut.style, {
      top: `${100 * top / rows}%`, left: `${100 * left / columns}%`, height: `${100 * height / rows}%`, width: `${100 * width / columns}%`,
    });
    const { height: down, width: across } = image.getBoundingClientRect();
    hold.fit([down * top / rows, across * left / columns, down * height / rows, across * width / columns], [down, across]);
    cut.setAttribute('aria-label', `Sticker of ${height} by ${width} pixels at row ${top}, column ${left} of the photo. `
      + 'Arrow keys move it, plus and minus resize it.');
  };
  const hold = draggable(cut, cut.firstChild, {
    least: () => [data.smallest, data.smallest],
    box: () => cutter.box,
    bounds: () => data.size,
    pixelAt: at,
    move,
    rest: (changed) => { if (changed) rest(); },
  });

  image.addEventListener('load', () => { if (cutter.box) move(cutter.box); });   // only now has the handle a place

  // Beside the box: a new one, from the corner where the pointer went down to where it is.
  source.addEventListener('pointerdown', (event) => {
    if (event.button !== 0 || event.target !== image) return;
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
