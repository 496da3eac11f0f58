// What Streamlit runs for every component: it fetches the module whose address the element names, lets it create what
// the element shows, once, applies the data of each call, and destroys it when the element has left the page.
//
// A module exports by default a function of the element that returns `apply(data, component)` and `destroy()`; what it
// returns besides is for those who look on, as `pgComponent` of the element.

export default async function (component) {
  const root = component.parentElement.querySelector('[data-module]');
  let create;
  try {
    ({ default: create } = await import(new URL(root.dataset.module, document.baseURI)));
  } catch (error) {
    root.textContent = `This part of the page did not load; reload the page. (${error.message})`;
    return undefined;
  }
  const shown = (root.pgComponent ??= create(root));
  shown.apply(component.data, component);
  // The cleanup also runs for calls that were merely overtaken; what is shown goes only with its node.
  return () => setTimeout(() => { if (!root.isConnected) shown.destroy(); }, 0);
}
