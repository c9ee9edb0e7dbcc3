// Everything is built; show it.
listeners.forEach((listener) => listener());
if (state.section) document.getElementById(state.section)?.scrollIntoView();
addEventListener('hashchange', () => {
  readAddress();
  listeners.forEach((listener) => listener());
  if (state.section) document.getElementById(state.section)?.scrollIntoView();
});
document.documentElement.dataset.ready = 'true';
