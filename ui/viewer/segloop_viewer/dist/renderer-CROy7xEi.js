// src/layout.ts
var e = [
	{
		index: 0,
		name: "Axial",
		normal: 2,
		across: 0,
		up: 1
	},
	{
		index: 1,
		name: "Coronal",
		normal: 1,
		across: 0,
		up: 2
	},
	{
		index: 2,
		name: "Sagittal",
		normal: 0,
		across: 1,
		up: 2
	}
], t = [
	["L", "R"],
	["P", "A"],
	["I", "S"]
];
function n(e, t) {
	return e.across === 1 || t;
}
function r(e, r) {
	let [i, a] = t[e.across], [o, s] = t[e.up];
	return n(e, r) ? [
		a,
		i,
		s,
		o
	] : [
		i,
		a,
		s,
		o
	];
}
function i(e, t, r, i) {
	let a = t.shape.map((e, n) => e * t.spacing[n]);
	return {
		plane: e,
		width: r,
		height: i,
		pxPerMm: Math.min(r / a[e.across], i / a[e.up]) * t.zoom,
		isFlipped: n(e, t.isRadiological),
		acrossMm: t.centre[e.across] * a[e.across],
		upMm: t.centre[e.up] * a[e.up]
	};
}
function a(e, t, n) {
	let r = (t - e.width / 2) / e.pxPerMm;
	return [e.acrossMm + (e.isFlipped ? -r : r), e.upMm - (n - e.height / 2) / e.pxPerMm];
}
function o(e, t, n) {
	let r = (t - e.acrossMm) * e.pxPerMm;
	return [e.width / 2 + (e.isFlipped ? -r : r), e.height / 2 - (n - e.upMm) * e.pxPerMm];
}
function s(e, t, n) {
	let { across: r, up: i } = e.plane;
	return o(e, (n[r] + .5) * t.spacing[r], (n[i] + .5) * t.spacing[i]);
}
function c(e, t, n, r, i) {
	let { across: o, up: s } = e.plane, [c, l] = a(e, n, r), u = [...i];
	return u[o] = Math.floor(c / t.spacing[o]), u[s] = Math.floor(l / t.spacing[s]), u.every((e, n) => e >= 0 && e < t.shape[n]) ? u : null;
}
// src/renderer.ts
function l(e) {
	let t = Infinity, n = -Infinity;
	for (let r of e.voxels) r < t && (t = r), r > n && (n = r);
	return [t, n];
}
function u(e, t) {
	return (e.comparing ?? t.comparing) === "second" ? t.isSecondReviewed : t.isReviewed;
}
export { i as a, c, r as i, s as l, u as n, o, e as r, a as s, l as t };
