// Keys that work everywhere but where text is typed.

export function listenForKeys(acts) {
	addEventListener('keydown', event => {
		if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
		if (document.querySelector('dialog[open]')) return;
		const {target} = event;
		const typing = target instanceof HTMLInputElement || target instanceof HTMLSelectElement;
		if (typing && event.key !== 'Escape') return;
		// Space presses the button that has the focus.
		if (event.key === ' ' && target instanceof HTMLButtonElement) return;
		const act = acts[event.key];
		if (!act) return;
		event.preventDefault();
		act(event);
	});
}
