// The bar of bar.py: a landmark for those who do not see where it is, and a mark on the page that is shown. The links are
// Streamlit's own, which keep the session.

let last = null;                                    // the page that was shown before; each page has a bar of its own

export default function createBar(root) {
  const bar = root.closest('.st-key-pages');
  bar.setAttribute('role', 'navigation');
  bar.setAttribute('aria-label', 'Pages, at hand');
  let current = null;
  const mark = () => {
    for (const link of bar.querySelectorAll('a')) {
      if (link.textContent.trim() === current) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
  };
  const watcher = new MutationObserver(mark);       // a link may come after this does, or be made anew
  watcher.observe(bar, { childList: true, subtree: true });
  return {
    apply(data) {
      // What *More* has opened stays over the page that was chosen there.
      if (last !== null && last !== data.current) bar.querySelector('button[aria-expanded=true]')?.click();
      current = last = data.current;
      mark();
    },
    destroy() { watcher.disconnect(); },
  };
}
