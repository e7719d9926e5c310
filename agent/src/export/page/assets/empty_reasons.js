// Why a level has no lines, and what would give it some.

export const KNOWN_BY =
	'Functions are known by the labels of OpenFaaS, Knative, OpenWhisk, Fission and Nuclio, or by a label of your own.';

const NOBODY = 'has used energy in this window: nothing ran, or the kernel took no program. ‘prony doctor’ says which.';
const REASONS = {
	function: `No function has used energy in this window: all is in “other”. ${KNOWN_BY}`,
	container: 'No container has run in this window, or none is known by the name of its cgroup: all is in “other”.',
	cgroup: `No cgroup ${NOBODY}`,
	process: `No process ${NOBODY}`,
};

/** Empty where there is something to see. @param facts `frames` and `lines` of the window shown */
export function emptyReason({store, level, frames, lines}) {
	if (!store) return 'Loading';
	if (!store.latest)
		return 'Nothing is measured yet. The first figures come when the agent has closed its first window.';
	if (frames === 0) return 'The agent has nothing of this time: it did not run, or it is longer ago than it remembers.';
	return lines === 0 ? REASONS[level] : '';
}
