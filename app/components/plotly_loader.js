// Shared by every component of the page that draws: Plotly.js, and the colours of the page's theme.

// Fetched once for the page, from the browser's cache where it has it (the address names the version), and run from a
// Blob: a script element would be refused where .js is served as plain text.
let loading = null;

export function loadPlotly(url) {
  loading ??= fetch(new URL(url, document.baseURI), { cache: 'force-cache' })
    .then((reply) => { if (!reply.ok) throw new Error(`${reply.status} for ${url}`); return reply.text(); })
    .then((text) => new Promise((resolve, reject) => {
      const script = document.createElement('script');
      script.src = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
      script.onload = () => resolve(window.Plotly);
      script.onerror = () => reject(new Error('Plotly could not be started'));
      document.head.appendChild(script);
    }))
    .catch((error) => { loading = null; throw error; });
  return loading;
}

// The figure in the text and tool bar colours of the theme that is on.
export function themed(root, layout) {
  const css = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  layout.font = { ...layout.font, color: css('--st-text-color'), family: css('--st-font') };
  layout.modebar = { bgcolor: 'rgba(0,0,0,0)', color: css('--st-text-color'), activecolor: css('--st-primary-color') };
  layout.dragmode = false;
  return layout;
}

// Draws the photos of a figure whose axes are in their pixels as a network sees them: where a pixel is enlarged, with its
// edges. Returns their elements.
export function crisp(plot, layout) {
  const across = new Map((layout.images ?? []).map((image) => [image.source, image.sizex]));
  return [...plot.querySelectorAll('.imagelayer image')].map((image) => {
    const source = image.getAttribute('xlink:href') ?? image.getAttribute('href');
    image.setAttribute('href', source);
    const enlarged = image.getBoundingClientRect().width >= 2 * across.get(source);
    image.classList.toggle('pg-crisp-image', enlarged);
    image.style.imageRendering = enlarged ? 'pixelated' : '';
    return image;
  });
}

export const themeOf = (root) => getComputedStyle(root).getPropertyValue('--st-text-color').trim();
export const TOOLS = {
  responsive: false,
  displaylogo: false,
  // Named one by one: the default bar also offers to send the figure to another host.
  modeBarButtons: [['toImage', 'zoom2d', 'pan2d', 'resetScale2d']],
};
