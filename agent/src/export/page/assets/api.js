// Questions to the agent, with the token where one is kept.

const ROOT = new URL('..', import.meta.url);
const KEPT_AS = 'prony-token';
const LONGEST_REASON = 600;
const PATIENCE = 20_000;

/** The agent answered, but not with what was asked for. `message` is its own line of text. */
export class Refused extends Error {
	constructor(status, message) {
		super(message);
		this.status = status;
	}
}

export function keepToken(token) {
	sessionStorage.setItem(KEPT_AS, token);
}

export function hasToken() {
	return sessionStorage.getItem(KEPT_AS) !== null;
}

/**
 * @param path `live/about`
 * @returns of status 200
 * @throws for any other status; a TypeError where the agent cannot be reached
 */
export async function open(path, parameters, signal) {
	const url = new URL(path, ROOT);
	url.search = new URLSearchParams(parameters).toString();
	const token = sessionStorage.getItem(KEPT_AS);
	const headers = token === null ? {} : {Authorization: `Bearer ${token}`};
	const response = await fetch(url, {headers, signal, cache: 'no-store', redirect: 'error'});
	if (response.ok) return response;
	const reason = (await response.text().catch(() => '')).slice(0, LONGEST_REASON).trim();
	throw new Refused(response.status, reason || `the agent answered with status ${response.status}`);
}

/** As `open`, for an answer in JSON that comes at once. */
export async function ask(path, parameters = {}, signal = undefined) {
	const patience = AbortSignal.timeout(PATIENCE);
	const response = await open(path, parameters, signal ? AbortSignal.any([signal, patience]) : patience);
	return response.json();
}
