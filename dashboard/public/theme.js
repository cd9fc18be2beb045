// Before the first paint, so that a chosen theme does not flash: an inline script would break the CSP.
try { var t = localStorage.getItem('theme'); if (t === 'light' || t === 'dark') document.documentElement.dataset.theme = t; } catch (e) { /* storage is off: the system's theme */ }
