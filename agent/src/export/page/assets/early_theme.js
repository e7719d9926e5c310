// Runs before anything is drawn, so that the page does not flash in the other theme.
(() => {
	const fromAddress = new URLSearchParams(location.hash.slice(1)).get('theme');
	let kept = null;
	try {
		kept = localStorage.getItem('prony-theme');
	} catch {
		// Storage may be forbidden; the system's theme it is then.
	}
	const theme = fromAddress ?? kept;
	if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
})();
