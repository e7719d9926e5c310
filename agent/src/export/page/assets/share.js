// A link to this view, for somebody else.

import { announce, byId, setText } from './elements.js';

const SAID_FOR = 2000;

/** @param {() => void} flush brings the address up to date */
export function makeShare(flush) {
  const button = byId('share');
  const say = (text) => {
    setText(button, text);
    announce(text);
    setTimeout(() => setText(button, 'Copy link'), SAID_FOR);
  };
  button.addEventListener('click', async () => {
    flush();
    try {
      await navigator.clipboard.writeText(location.href);
      say('Copied');
    } catch {
      // Browsers allow it on localhost and over TLS only.
      say('See address bar');
    }
  });
}
