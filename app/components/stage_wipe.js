// The curtain on the photo: left of its handle the clean photo and its maps, right of it those with the patch.

const KEY_STEP = 0.05;                              // of the photo's width

// panel: the photo's; changed() is called when the handle was moved.
export function wipe(panel, changed) {
  const handle = panel.add('pg-wipe'), curtain = { share: 0 };
  const tags = ['Clean photo', 'Patched photo'].map((name) => Object.assign(panel.add('pg-tag'), { textContent: name }));
  handle.tabIndex = 0;
  handle.title = 'Drag to compare the clean photo with the patched one';
  for (const [name, value] of Object.entries({
    role: 'slider', 'aria-label': 'How much of the photo is shown without the patch', 'aria-valuemin': 0, 'aria-valuemax': 100,
  })) handle.setAttribute(name, value);

  function set(share) {
    curtain.share = Math.max(0, Math.min(1, share));
    changed();
  }
  handle.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    event.stopPropagation();
    handle.focus({ preventScroll: true });
    handle.setPointerCapture(event.pointerId);
  });
  handle.addEventListener('pointermove', (event) => {
    if (!handle.hasPointerCapture(event.pointerId)) return;
    const { left, width } = panel.frame.getBoundingClientRect();
    set((event.clientX - left) / width);
  });
  handle.addEventListener('keydown', (event) => {
    const to = { ArrowLeft: curtain.share - KEY_STEP, ArrowRight: curtain.share + KEY_STEP, Home: 0, End: 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    set(to);
  });

  // Over a photo of a height and width on the page; a patch at this box has the foot of the photo for itself.
  curtain.draw = (patch) => {
    const [height, width] = panel.room();
    handle.hidden = !patch;
    for (const tag of tags) tag.hidden = !patch || curtain.share === 0 || curtain.share === 1;
    if (!patch) return;
    const side = handle.offsetWidth, line = curtain.share * width, top = patch[0] + patch[2] > height - side - 8 ? 4 : height - side - 4;
    handle.style.transform = `translate(${Math.max(0, Math.min(width - side, line - side / 2))}px, ${top}px)`;
    handle.setAttribute('aria-valuenow', Math.round(100 * curtain.share));
    handle.setAttribute('aria-valuetext', `${Math.round(100 * curtain.share)} % clean`);
    tags[0].style.transform = `translate(${line}px, 0) translate(-100%, 0)`;
    tags[1].style.transform = `translate(${line}px, 0)`;
  };
  return curtain;
}
