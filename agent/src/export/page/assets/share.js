// A link to this view, for somebody else.

import {announce, byId} from './elements.js';

/** Copies the address, once `flush` has brought it up to date. */
export function makeShare(flush) {
	byId('share').addEventListener('click', async () => {
		flush();
		try {
			await navigator.clipboard.writeText(location.href);
			announce('The link is copied.');
		} catch {
			announce('The browser does not allow copying here: take the link from the address bar.');
		}
	});
}
