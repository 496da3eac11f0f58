// The buttons of copier.py. Without a secure context a page may not write to the clipboard: then the link is shown, to be
// copied by hand.

const SHOWN = 2000;                                 // ms that a button says that it has copied

export default function createCopier(root) {
  root.innerHTML = '<button type="button">Copy link</button><button type="button">Copy link with the photo</button>'
    + '<textarea rows="3" readonly hidden aria-label="Link"></textarea>';
  const [plain, withPhoto, shown] = root.children;
  let data = null;

  const copies = (button, link, title) => button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(link());
      button.textContent = 'Copied';
      setTimeout(() => { button.textContent = title; }, SHOWN);
    } catch {
      Object.assign(shown, { value: link(), hidden: false });
      shown.select();
    }
  });
  copies(plain, () => data.link, 'Copy link');
  copies(withPhoto, () => data.withPhoto, 'Copy link with the photo');
  return {
    apply(fresh) {
      data = fresh;
      withPhoto.hidden = !data.withPhoto;
    },
    destroy() {},
  };
}
