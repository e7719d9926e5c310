// A link to this view, for somebody else.

import { announce, byId } from './elements.js';

/** Copies the address, once `flush` has brought it up to date. */
export function makeShare(flush) {
	byId('share').addEventListener('click', async () => {
		flush();
		try {
			await navigator.clipboard.writeText(location.href);
			announce('The link is copied: it shows this level, window and line.');
		} catch {
			announce('The browser allows copying on localhost and over TLS only: take the link from the address bar.');
		}
	});
}
