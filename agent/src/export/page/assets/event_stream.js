// Server-Sent Events from a fetched body: EventSource cannot send a token.

/** Yields `event` and `data` of each event; `alive` is called for whatever arrives. */
export async function* events(response, alive) {
	const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
	let rest = '';
	let event = 'message';
	let data = [];
	try {
		for (;;) {
			const {done, value} = await reader.read();
			if (done) return;
			alive();
			const lines = (rest + value).split(/\r\n|\n/);
			rest = lines.pop();
			for (const line of lines) {
				if (line === '') {
					if (data.length > 0 || event !== 'message') yield {event, data: data.join('\n')};
					[event, data] = ['message', []];
				} else if (line.startsWith('event:')) event = line.slice(6).trim();
				else if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''));
			}
		}
	} finally {
		reader.cancel().catch(() => {});
	}
}
