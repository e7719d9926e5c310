// Names come from processes and containers: anybody may choose them, so nothing in them is trusted.

// Control characters, and those that turn the direction of text round or are invisible.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
const LONGEST_TITLE = 4096;

/** The name with all that could disturb what stands beside it made visible as �. */
export function clean(name) {
	return String(name ?? '')
		.slice(0, LONGEST_TITLE)
		.replace(UNSEEN, '\ufffd');
}

/**
 * The name, cut in the middle where it is longer than `longest` characters: begin and end tell most. Whole characters
 * only, also beyond the basic plane.
 */
export function shorten(name, longest = 48) {
	const characters = Array.from(clean(name));
	if (characters.length === 0) return '(no name)';
	if (characters.length <= longest) return characters.join('');
	const head = Math.ceil((longest - 1) * 0.3);
	return `${characters.slice(0, head).join('')}…${characters.slice(head + 1 - longest).join('')}`;
}

/** Whether the search text, any case, is in the name or the detail. */
export function matches(search, ...texts) {
	const wanted = search.trim().toLowerCase();
	return (
		wanted === '' ||
		texts.some(text =>
			String(text ?? '')
				.toLowerCase()
				.includes(wanted),
		)
	);
}
