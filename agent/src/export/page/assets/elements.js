// Elements are only ever made here, and text only ever set as text.

export const byId = id => document.getElementById(id);

/** @param properties `on…` listens; ATTRIBUTES and names with a dash become attributes, others properties */
export function make(tag, properties = {}, ...children) {
	const element = document.createElement(tag);
	for (const [name, value] of Object.entries(properties)) {
		if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
		else if (name.includes('-') || ATTRIBUTES.has(name)) element.setAttribute(name, value);
		else element[name] = value;
	}
	element.append(...children);
	return element;
}

const ATTRIBUTES = new Set(['class', 'role', 'scope']);

/** Sets the text only where it is another: the browser then has nothing to lay out. */
export function setText(element, text) {
	if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element, name, value) {
	const text = String(value);
	if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

export function setHidden(element, hidden) {
	if (element.hidden !== hidden) element.hidden = hidden;
}

const SHOWN_FOR = 8000;
let shown = 0;

/** Says it, to eyes and to screen readers, for a while. */
export function announce(text) {
	setText(byId('announcer'), text);
	clearTimeout(shown);
	shown = setTimeout(() => setText(byId('announcer'), ''), SHOWN_FOR);
}
