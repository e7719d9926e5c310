// Hands a file to the browser to be saved.

import {make} from './elements.js';

const UNTIL_READ = 60_000;

export function save(blob, name) {
	const url = URL.createObjectURL(blob);
	make('a', {href: url, download: name}).click();
	setTimeout(() => URL.revokeObjectURL(url), UNTIL_READ);
}

/** A file name that says which machine, level and time: `prony-edge-7-function-2026-03-05T12-00-00Z.csv`. */
export function fileName(node, level, at, ending) {
	const time = new Date(at).toISOString().slice(0, 19).replaceAll(':', '-');
	return `prony-${node.replace(/[^\w.-]+/g, '_').slice(0, 64)}-${level}-${time}Z.${ending}`;
}
