// Elements are only ever made here, and text only ever set as text.

/** @param {string} id of an element of index.html */
export const byId = (id) => document.getElementById(id);

/**
 * @param {string} tag
 * @param {Object<string, string|number|boolean|Function>} properties `on…` listens, `class` and names with a dash or
 *   in ATTRIBUTES become attributes, the others are set as properties
 * @param {...(Node|string)} children
 */
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

const ATTRIBUTES = new Set(['class', 'role', 'scope', 'for', 'colspan']);

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

/** Has a screen reader say it. */
export function announce(text) {
  setText(byId('announcer'), text);
}
