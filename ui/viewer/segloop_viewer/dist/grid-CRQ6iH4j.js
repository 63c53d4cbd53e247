// src/grid.ts
var e = class extends Error {};
function t(t) {
	for (let n = 0; n < 3; n++) {
		let r = [
			0,
			1,
			2
		].map((e) => t[e][n]);
		if (r[n] < Math.max(...r.map(Math.abs))) throw new e("The volume is not in RAS order, so left and right are not certain; it is not shown.");
	}
}
function n(e, t) {
	return e.shape.join() === t.shape.join() ? e.affine.some((e, n) => e.some((e, r) => Math.abs(e - t.affine[n][r]) > .01)) ? "It does not lie where the volume lies." : null : "Its grid is not the volume's grid.";
}
function r(e, [t, n, r]) {
	return !e || [
		t,
		n,
		r
	].some((t, n) => t < 0 || t >= e.shape[n]) ? null : e.voxels[t + e.shape[0] * (n + e.shape[1] * r)] ?? null;
}
function i(e, t) {
	let n = Uint16Array.from({ length: 65536 }, (e, n) => t[n] ?? n);
	return {
		...e,
		voxels: Uint16Array.from(e.voxels, (e) => n[e])
	};
}
function a(e, t, n) {
	return n.map((n, r) => Math.min(t[r] - 1, Math.floor((n + .5) / e[r] * t[r])));
}
async function o(e) {
	let t = await e.json().catch(() => null);
	return typeof t?.detail == "string" ? t.detail : `The server answered ${e.status}.`;
}
function s(n) {
	let r = JSON.parse(n.get("X-Shape") ?? "null"), i = JSON.parse(n.get("X-Affine") ?? "null")?.flat();
	if (!r || i?.length !== 16) throw new e("The server did not say how the voxels lie.");
	let a = [
		0,
		4,
		8,
		12
	].map((e) => i.slice(e, e + 4));
	t(a);
	let o = {
		shape: r,
		affine: a,
		spacing: [
			0,
			1,
			2
		].map((e) => Math.hypot(a[0][e], a[1][e], a[2][e])),
		voxels: /* @__PURE__ */ new Uint8Array()
	}, [s, c] = [n.get("X-Sequence"), n.get("X-Hash")];
	return s !== null && c !== null && (o.head = {
		sequence: Number(s),
		hash: c
	}), o;
}
function c(t) {
	if (/uint16|u2/.test(t)) return Uint16Array;
	if (/uint8|u1/.test(t)) return Uint8Array;
	if (/int16|i2/.test(t)) return Int16Array;
	throw new e(`Voxels of type "${t}" can't be shown.`);
}
async function l(t, n) {
	let r = await fetch(t, {
		signal: n,
		credentials: "same-origin",
		cache: "no-store",
		headers: { Range: "bytes=0-0" }
	});
	if (!r.ok) throw new e(await o(r));
	let i = s(r.headers);
	return await r.body?.cancel(), i;
}
async function u(t, n, r) {
	let i = await fetch(t, {
		signal: n,
		credentials: "same-origin"
	});
	if (!i.ok) throw new e(await o(i));
	let a = s(i.headers), l = c(i.headers.get("X-Dtype") ?? ""), [u, d, f] = a.shape, p = new Uint8Array(u * d * f * l.BYTES_PER_ELEMENT);
	a.voxels = new l(p.buffer);
	let m = p.length / f, h = 0, g = i.body.getReader();
	for (;;) {
		let { done: t, value: n } = await g.read();
		if (t) break;
		if (h + n.length > p.length) throw new e("The server sent more voxels than announced.");
		p.set(n, h), h += n.length, r?.(a, Math.floor(h / m));
	}
	if (h !== p.length) throw new e("The server sent fewer voxels than announced.");
	return a;
}
export { a, l as i, u as n, i as o, n as r, r as s, e as t };
