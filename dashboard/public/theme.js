// Before the first paint, so that a chosen theme does not flash: an inline script would break the CSP.
try {
  const t = localStorage.getItem('theme');
  if (t === 'light' || t === 'dark') document.documentElement.dataset.theme = t;
} catch {
  /* storage is off: the system's theme */
}
