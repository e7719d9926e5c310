// Figures that the agent gives for each zone, for the zones of the total.

/** Places of the headline's zones; the first zone, where none is marked. */
export function headlinePlaces(zones) {
	const places = zones.flatMap(({headline}, at) => (headline ? [at] : []));
	return places.length > 0 || zones.length === 0 ? places : [0];
}

/** @param figures one for each zone */
export function sumOver(figures, places) {
	return places.reduce((all, at) => all + (figures?.[at] ?? 0), 0);
}
