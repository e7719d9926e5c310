// Asks for the token where the agent wants one.

import {hasToken, keepToken} from './api.js';
import {byId, setText} from './elements.js';

/** @param given is called when there is a token to try */
export function makeTokenForm(given) {
	const [dialog, form, value, why] = ['token', 'token-form', 'token-value', 'token-why'].map(byId);
	// There is nothing to see without one.
	dialog.addEventListener('cancel', event => event.preventDefault());
	form.addEventListener('submit', event => {
		event.preventDefault();
		keepToken(value.value.trim());
		value.value = '';
		dialog.close();
		given();
	});
	return {
		/** @param reason the agent's own words */
		ask(reason) {
			setText(why, hasToken() ? `The agent did not take the token: ${reason}` : reason);
			if (dialog.open) return;
			dialog.showModal();
			value.focus();
		},
	};
}
