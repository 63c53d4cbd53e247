import { a as e, i as t, n, o as r, r as i, s as a, t as o } from "./layout-CLsOC_Ty.js";
// src/dom.ts
function s(e, t = {}, ...n) {
	let r = document.createElement(e);
	for (let [e, n] of Object.entries(t)) r.setAttribute(e, n);
	return r.append(...n), r;
}
function c(e, t = {}, ...n) {
	let r = document.createElementNS("http://www.w3.org/2000/svg", e);
	for (let [e, n] of Object.entries(t)) r.setAttribute(e, n);
	return r.append(...n), r;
}
// src/state.ts
var l = {
	Brain: [80, 40],
	"Soft tissue": [400, 40],
	Lung: [1500, -600],
	Bone: [2e3, 500]
}, u = "Whole range", d = "Custom";
function f() {
	return {
		cross: [
			0,
			0,
			0
		],
		preset: "Soft tissue",
		width: 400,
		level: 40,
		opacity: .5,
		isMaskHidden: !1,
		isOutline: !1,
		isSmooth: !0,
		hidden: /* @__PURE__ */ new Set(),
		isRadiological: !0,
		layout: "all",
		is3d: !1,
		mode: "cross",
		zoom: 1,
		centre: [
			.5,
			.5,
			.5
		]
	};
}
function p(e, t) {
	return e.map((e, n) => Math.min(t[n] - 1, Math.max(0, Math.round(e))));
}
function m(e) {
	return Math.min(40, Math.max(.5, e));
}
function h(e) {
	if (Array.isArray(e)) return [
		e[0] ?? 255,
		e[1] ?? 255,
		e[2] ?? 255
	];
	let t = parseInt(e.replace("#", ""), 16);
	return Number.isNaN(t) ? [
		255,
		0,
		0
	] : [
		t >> 16 & 255,
		t >> 8 & 255,
		t & 255
	];
}
function g(e, t) {
	let n = (/* @__PURE__ */ new Uint32Array(65536)).fill(e.length ? 4278190335 : 0);
	n[0] = 0;
	for (let { index: r, color: i } of e) {
		if (r <= 0 || r > 65535) continue;
		let [e, a, o] = h(i);
		n[r] = t.has(r) ? 0 : (255 << 24 | o << 16 | a << 8 | e) >>> 0;
	}
	return n;
}
// src/text.ts
var _ = {
	unreviewed: "AI - NOT REVIEWED",
	radiological: "Radiological (R left)",
	neurological: "Neurological (R right)",
	loadingVolume: "Loading the volume ...",
	loadingFull: (e) => `Loading full resolution: ${Math.floor(e * 100)} %`,
	loadingMask: (e) => `Loading the mask: ${Math.floor(e * 100)} %`,
	volumeFailed: "The volume could not be loaded. ",
	maskFailed: "The mask could not be loaded. ",
	comparedFailed: "The mask to compare with could not be loaded. ",
	unreachable: "The server could not be reached.",
	plain: "This browser can't use its graphics hardware (WebGL2), so slices are drawn plainly: slower, no outline, no 3D. Another browser, or hardware acceleration switched on, gives the full view.",
	tooLarge: "Slices are drawn plainly: slower, no outline, no 3D. ",
	noLabels: "No labels",
	noLabel: "no label",
	label: (e) => `label ${e}`,
	zoom: (e) => `${Math.round(e * 100)} %`
};
// src/controls.ts
function v(e, t) {
	return s("label", {}, s("span", {}, e), t);
}
function y(e, t) {
	return e.append(...t.map(([e, t]) => s("option", { value: e }, t))), e;
}
var ee = class {
	preset = y(s("select", { "aria-label": "Window preset" }), [
		...Object.keys(l),
		u,
		d
	].map((e) => [e, e]));
	width = s("input", {
		type: "number",
		min: "1",
		step: "10",
		"aria-label": "Window width"
	});
	level = s("input", {
		type: "number",
		step: "10",
		"aria-label": "Window level"
	});
	opacity = s("input", {
		type: "range",
		min: "0",
		max: "100",
		"aria-label": "Mask opacity"
	});
	style = y(s("select", { "aria-label": "Fill or outline" }), [["fill", "Fill"], ["outline", "Outline"]]);
	layout = y(s("select", { "aria-label": "Layout" }), [
		["all", "All planes"],
		["0", "Axial"],
		["1", "Coronal"],
		["2", "Sagittal"]
	]);
	convention = y(s("select", {
		"aria-label": "Convention",
		class: "convention"
	}), [["1", _.radiological], ["0", _.neurological]]);
	help = s("button", {
		type: "button",
		"aria-label": "Keys and mouse",
		title: "Keys and mouse (?)"
	}, "?");
	row = s("div", { class: "tools" }, v("Window", this.preset), v("W", this.width), v("L", this.level), v("Mask", this.opacity), this.style, v("Show", this.layout), this.convention, this.help);
	constructor(e) {
		this.preset.addEventListener("change", () => e.setPreset(this.preset.value));
		for (let t of [this.width, this.level]) t.addEventListener("input", () => {
			let [t, n] = [this.width.valueAsNumber, this.level.valueAsNumber];
			!Number.isNaN(t) && !Number.isNaN(n) && t >= 1 && e.setWindow(t, n);
		});
		this.opacity.addEventListener("input", () => e.set({
			opacity: this.opacity.valueAsNumber / 100,
			isMaskHidden: !1
		})), this.style.addEventListener("change", () => e.set({ isOutline: this.style.value === "outline" })), this.layout.addEventListener("change", () => {
			let t = this.layout.value;
			e.set({ layout: /^\d$/.test(t) ? Number(t) : t });
		}), this.convention.addEventListener("change", () => e.set({ isRadiological: this.convention.value === "1" })), this.help.addEventListener("click", () => e.run("help"));
	}
	show(e, t, n) {
		let r = this.row.getRootNode().activeElement;
		this.preset.value = e.preset, r !== this.width && (this.width.value = String(e.width)), r !== this.level && (this.level.value = String(e.level)), this.opacity.value = String(Math.round(e.opacity * 100)), this.opacity.disabled = !t, this.style.value = e.isOutline ? "outline" : "fill", this.style.disabled = !t || n, this.layout.value = String(e.layout), this.convention.value = e.isRadiological ? "1" : "0";
	}
};
// src/find.ts
function b(e, t) {
	let [n, r, i] = e.shape, { voxels: a } = e, o = n * r, [s, c] = [-1, 0];
	for (let e = 0; e < i; e++) {
		let n = 0;
		for (let r = e * o, i = r + o; r < i; r++) a[r] === t && n++;
		n > c && ([s, c] = [e, n]);
	}
	if (s < 0) return null;
	let [l, u] = [0, 0], d = [];
	for (let e = s * o, r = 0; r < o; e++, r++) {
		if (a[e] !== t) continue;
		let [i, o] = [r % n, Math.floor(r / n)];
		l += i, u += o, d.push([i, o]);
	}
	let [f, p] = [l / c, u / c], m = d[0], h = ([e, t]) => (e - f) ** 2 + (t - p) ** 2;
	for (let e of d) h(e) < h(m) && (m = e);
	return [
		m[0],
		m[1],
		s
	];
}
// src/grid.ts
var x = class extends Error {};
function S(e) {
	for (let t = 0; t < 3; t++) {
		let n = [
			0,
			1,
			2
		].map((n) => e[n][t]);
		if (n[t] < Math.max(...n.map(Math.abs))) throw new x("The volume is not in RAS order, so left and right are not certain; it is not shown.");
	}
}
function te(e, t) {
	return e.shape.join() === t.shape.join() ? e.affine.some((e, n) => e.some((e, r) => Math.abs(e - t.affine[n][r]) > .01)) ? "It does not lie where the volume lies." : null : "Its grid is not the volume's grid.";
}
function C(e, [t, n, r]) {
	return !e || [
		t,
		n,
		r
	].some((t, n) => t < 0 || t >= e.shape[n]) ? null : e.voxels[t + e.shape[0] * (n + e.shape[1] * r)] ?? null;
}
function w(e, t, n) {
	return n.map((n, r) => Math.min(t[r] - 1, Math.floor((n + .5) / e[r] * t[r])));
}
async function T(e) {
	let t = await e.json().catch(() => null);
	return typeof t?.detail == "string" ? t.detail : `The server answered ${e.status}.`;
}
function E(e) {
	let t = JSON.parse(e.get("X-Shape") ?? "null"), n = JSON.parse(e.get("X-Affine") ?? "null")?.flat();
	if (!t || n?.length !== 16) throw new x("The server did not say how the voxels lie.");
	let r = [
		0,
		4,
		8,
		12
	].map((e) => n.slice(e, e + 4));
	return S(r), {
		shape: t,
		affine: r,
		spacing: [
			0,
			1,
			2
		].map((e) => Math.hypot(r[0][e], r[1][e], r[2][e])),
		voxels: /* @__PURE__ */ new Uint8Array()
	};
}
function ne(e) {
	if (/uint16|u2/.test(e)) return Uint16Array;
	if (/uint8|u1/.test(e)) return Uint8Array;
	if (/int16|i2/.test(e)) return Int16Array;
	throw new x(`Voxels of type "${e}" can't be shown.`);
}
async function re(e, t) {
	let n = await fetch(e, {
		signal: t,
		credentials: "same-origin",
		cache: "no-store",
		headers: { Range: "bytes=0-0" }
	});
	if (!n.ok) throw new x(await T(n));
	let r = E(n.headers);
	return await n.body?.cancel(), r;
}
async function D(e, t, n) {
	let r = await fetch(e, {
		signal: t,
		credentials: "same-origin"
	});
	if (!r.ok) throw new x(await T(r));
	let i = E(r.headers), a = ne(r.headers.get("X-Dtype") ?? ""), [o, s, c] = i.shape, l = new Uint8Array(o * s * c * a.BYTES_PER_ELEMENT);
	i.voxels = new a(l.buffer);
	let u = l.length / c, d = 0, f = r.body.getReader();
	for (;;) {
		let { done: e, value: t } = await f.read();
		if (e) break;
		if (d + t.length > l.length) throw new x("The server sent more voxels than announced.");
		l.set(t, d), d += t.length, n?.(i, Math.floor(d / u));
	}
	if (d !== l.length) throw new x("The server sent fewer voxels than announced.");
	return i;
}
// src/keys.ts
var O = [
	[
		["ArrowUp", "ArrowDown"],
		"one slice up, down",
		"slice1"
	],
	[
		["PageUp", "PageDown"],
		"ten slices up, down",
		"slice10"
	],
	[
		["Home", "End"],
		"first, last slice",
		"sliceEnd"
	],
	[
		[
			"1",
			"2",
			"3",
			"4",
			"5"
		],
		"window: brain, soft tissue, lung, bone, whole range",
		"preset"
	],
	[
		["h"],
		"hide or show the mask",
		"mask"
	],
	[
		["o"],
		"outline or fill",
		"outline"
	],
	[
		["i"],
		"smooth or exact voxels",
		"smooth"
	],
	[
		["+", "-"],
		"zoom in, out",
		"zoom"
	],
	[
		["0"],
		"whole picture",
		"reset"
	],
	[
		["g"],
		"this plane large, or all",
		"large"
	],
	[
		["d"],
		"3D view on or off",
		"solid"
	],
	[
		["m"],
		"measure a distance",
		"measure"
	],
	[
		["r"],
		"radiological or neurological",
		"convention"
	],
	[
		["?"],
		"this card",
		"help"
	],
	[
		["Escape"],
		"end measuring, close the card",
		"escape"
	]
], k = [
	["click, drag", "move the crosshair"],
	["wheel", "slices"],
	["Ctrl + wheel", "zoom"],
	["right drag", "window: width across, level up and down"],
	["Shift or middle drag", "move the picture"],
	["double click", "this plane large, or all"]
];
function A(e, t) {
	for (let t of [
		"keydown",
		"keyup",
		"keypress"
	]) e.addEventListener(t, (e) => e.stopPropagation());
	e.addEventListener("keydown", (e) => {
		let n = e.target;
		if (e.ctrlKey || e.metaKey || e.altKey || n.closest("input[type=number], select") || n.closest("input") && /^(Arrow|Page|Home|End)/.test(e.key)) return;
		let r = e.key === "=" ? "+" : e.key.length === 1 ? e.key.toLowerCase() : e.key, i = O.find(([e]) => e.includes(r));
		i && t(i[2], r) && e.preventDefault();
	});
}
function j(e) {
	let t = (e) => e.map(([e, t]) => s("tr", {}, s("th", { scope: "row" }, e), s("td", {}, t))), n = (e) => e.map((e) => e.replace("Arrow", "").toUpperCase()).join(" ").replace("PAGEUP PAGEDOWN", "PgUp PgDn").replace("HOME END", "Home End").replace("UP DOWN", "↑ ↓").replace("ESCAPE", "Esc"), r = s("button", {
		type: "button",
		class: "close"
	}, "Close");
	return r.addEventListener("click", e), s("div", {
		class: "help",
		role: "dialog",
		"aria-label": "Keys and mouse"
	}, s("div", { class: "columns" }, s("table", {}, s("caption", {}, "Keys"), ...t(O.map(([e, t]) => [n(e), t]))), s("table", {}, s("caption", {}, "Mouse"), ...t(k))), r);
}
// src/labels_panel.ts
function M(e) {
	return e == null ? "-" : `${e.toFixed(e < 10 ? 2 : 1)} ml`;
}
function N(e, t) {
	let [n, r, i] = h(e.color), a = s("input", {
		type: "checkbox",
		"aria-label": `Show ${e.name}`
	});
	a.checked = !t.isHidden(e.index), a.addEventListener("change", () => t.setHidden(e.index, !a.checked));
	let o = s("button", {
		class: "text",
		type: "button",
		title: `Go to ${e.name}`
	}, e.name);
	return o.addEventListener("click", () => t.jumpTo(e.index)), s("div", {
		class: "row",
		"data-label": String(e.index)
	}, a, s("i", { style: `background:rgb(${n},${r},${i})` }), o, s("span", { class: "ml" }, M(e.volume_ml)));
}
function P(e, t, n) {
	let r = t.map((e) => N(e, n));
	e.replaceChildren(...r.length ? r : [s("div", { class: "none" }, _.noLabels)]);
}
// src/pointer.ts
function F(e, t, n, r) {
	let i = [...t.centre], { across: a, up: o } = e.plane, s = n / e.pxPerMm;
	return i[a] += (e.isFlipped ? s : -s) / (t.shape[a] * t.spacing[a]), i[o] += r / e.pxPerMm / (t.shape[o] * t.spacing[o]), i.map((e) => Math.min(1, Math.max(0, e)));
}
function I(t, n, r, i, a) {
	let o = m(n.zoom * r), [s, c] = e(t, i, a), l = n.zoom / o, u = [...n.centre], { across: d, up: f } = t.plane;
	return u[d] = (s + (t.acrossMm - s) * l) / (n.shape[d] * n.spacing[d]), u[f] = (c + (t.upMm - c) * l) / (n.shape[f] * n.spacing[f]), {
		zoom: o,
		centre: o <= 1 ? [
			.5,
			.5,
			.5
		] : u.map((e) => Math.min(1, Math.max(0, e)))
	};
}
var L = class {
	host;
	pane;
	action = null;
	pointer = -1;
	last = [0, 0];
	constructor(e, t) {
		this.host = e, this.pane = t;
		let { surface: n } = t;
		n.addEventListener("pointerdown", (e) => this.down(e)), n.addEventListener("pointermove", (e) => this.move(e)), n.addEventListener("pointerup", (e) => this.end(e, "up")), n.addEventListener("pointercancel", (e) => this.end(e, "cancel")), n.addEventListener("pointerleave", () => {
			this.action || e.hover(null);
		}), n.addEventListener("contextmenu", (e) => e.preventDefault()), n.addEventListener("dblclick", (n) => {
			n.button === 0 && e.state.mode === "cross" && e.toggleLarge(t);
		}), n.addEventListener("wheel", (e) => this.wheel(e), { passive: !1 });
	}
	pick(e) {
		let t = this.host.camera();
		if (!t) return null;
		let n = this.host.stage.viewOf(this.pane, t), i = this.host.stage.pointIn(this.pane, e);
		return {
			view: n,
			camera: t,
			at: i,
			voxel: r(n, t, i[0], i[1], this.host.state.cross)
		};
	}
	down(t) {
		let { host: n, pane: r } = this, i = this.pick(t);
		!this.action && i && (n.activate(r), r.surface.focus({ preventScroll: !0 }), r.surface.setPointerCapture(t.pointerId), this.pointer = t.pointerId, this.last = [t.clientX, t.clientY], t.button === 1 && t.preventDefault(), this.action = t.button === 2 ? "window" : t.button === 1 || t.shiftKey ? "pan" : n.state.mode, n.onPointer?.(r.plane, i.voxel, t, "down") && (this.action = "hook"), this.action === "cross" && i.voxel && n.moveTo(i.voxel), this.action === "measure" && n.measure(r, "down", e(i.view, ...i.at)));
	}
	move(t) {
		let { host: n, pane: r, action: i } = this, a = this.pick(t);
		if (!a) return;
		if (!i) {
			n.onPointer?.(r.plane, a.voxel, t, "hover") || n.hover(a.voxel);
			return;
		}
		if (t.pointerId !== this.pointer) return;
		let [o, s] = [t.clientX - this.last[0], t.clientY - this.last[1]];
		if (this.last = [t.clientX, t.clientY], i === "hook") n.onPointer?.(r.plane, a.voxel, t, "move");
		else if (i === "cross" && a.voxel) n.moveTo(a.voxel);
		else if (i === "window") {
			let { width: e, level: t } = n.state, r = Math.max(1, e / 300);
			n.setWindow(Math.max(1, Math.round(e + o * r)), Math.round(t + s * r));
		} else i === "pan" ? n.setCamera(a.camera.zoom, F(a.view, a.camera, o, s)) : i === "measure" && n.measure(r, "move", e(a.view, ...a.at));
	}
	end(t, n) {
		if (t.pointerId !== this.pointer || !this.action) return;
		let { action: r } = this;
		this.action = null, this.pointer = -1;
		let i = this.pick(t);
		r === "hook" && this.host.onPointer?.(this.pane.plane, i?.voxel ?? null, t, n), r === "measure" && i && this.host.measure(this.pane, n, e(i.view, ...i.at));
	}
	wheel(e) {
		e.preventDefault();
		let t = this.pick(e);
		if (!t || !e.deltaY) return;
		if (e.ctrlKey || e.metaKey) {
			let { zoom: n, centre: r } = I(t.view, t.camera, Math.exp(-e.deltaY / 400), ...t.at);
			this.host.setCamera(n, r);
			return;
		}
		let n = [...this.host.state.cross];
		n[this.pane.plane.normal] += e.deltaY > 0 ? -1 : 1, this.host.moveTo(n);
	}
};
function R(e) {
	for (let t of e.stage.panes) new L(e, t), t.slider.addEventListener("input", () => {
		let n = [...e.state.cross];
		n[t.plane.normal] = t.slider.valueAsNumber, e.moveTo(n);
	}), t.surface.addEventListener("focus", () => e.activate(t));
}
// src/renderer.ts
function z(e) {
	let t = Infinity, n = -Infinity;
	for (let r of e.voxels) r < t && (t = r), r > n && (n = r);
	return [t, n];
}
// src/plain/planes.ts
var B = 4284068685, V = 4280257778, H = 4294934592, U = 4292427993, W = class {
	kind = "plain";
	canvas = document.createElement("canvas");
	scene = null;
	slice = document.createElement("canvas");
	setScene(e) {
		this.scene = e;
	}
	addSlices(e, t) {
		this.scene && (this.scene.nSlices = t);
	}
	setMask(e) {
		this.scene && (this.scene.mask = e);
	}
	setCompared(e) {
		this.scene && (this.scene.compared = e);
	}
	updateMask(e) {}
	setColors() {}
	destroy() {
		this.canvas.remove();
	}
	draw(e, t, n, r) {
		this.canvas.width = e, this.canvas.height = t;
		let i = this.canvas.getContext("2d");
		for (let e of n) {
			i.save();
			let [t, n, a, o] = e.rect;
			i.beginPath(), i.rect(t, n, a, o), i.clip(), i.fillStyle = "#000", i.fillRect(t, n, a, o), i.translate(t, n), i.scale(a / e.view.width, o / e.view.height), this.drawTile(i, e, r), i.restore();
		}
	}
	drawTile(e, { view: n }, r) {
		let i = this.scene;
		if (!i) return;
		let { shape: a, spacing: o } = i.camera, { across: s, up: c } = n.plane, l = t(n, 0, 0), u = t(n, a[s] * o[s], a[c] * o[c]), d = (t, i, o) => {
			this.fill(t, n.plane, n.isFlipped, w(a, t.shape, r.cross), o), e.imageSmoothingEnabled = i, e.drawImage(this.slice, Math.min(l[0], u[0]), u[1], Math.abs(u[0] - l[0]), l[1] - u[1]);
		}, f = i.full && i.nSlices === a[2] ? i.full : i.low;
		if (f) {
			let e = 255 / (r.range[1] - r.range[0]);
			d(f, r.isSmooth, (t) => {
				let n = Math.min(255, Math.max(0, Math.round((f.voxels[t] - r.range[0]) * e)));
				return (255 << 24 | n << 16 | n << 8 | n) >>> 0;
			});
		}
		let { mask: p, compared: m } = i;
		if (!p || r.opacity === 0) return;
		e.globalAlpha = r.opacity;
		let h = (e) => r.colors[e];
		m ? d(p, !1, (e) => {
			let t = h(p.voxels[e]) ? p.voxels[e] : 0, n = h(m.voxels[e]) ? m.voxels[e] : 0;
			return !t && !n ? 0 : t === n ? B : t && n ? U : t ? V : H;
		}) : d(p, !1, (e, t, n) => !r.isReviewed && (t + n) % 4 > 1 ? 0 : h(p.voxels[e]));
	}
	fill(e, t, n, r, i) {
		let a = [
			1,
			e.shape[0],
			e.shape[0] * e.shape[1]
		], [o, s] = [e.shape[t.across], e.shape[t.up]];
		this.slice.width = o, this.slice.height = s;
		let c = new ImageData(o, s), l = new Uint32Array(c.data.buffer), u = a[t.across];
		for (let e = 0, c = 0; e < s; e++) {
			let d = r[t.normal] * a[t.normal] + (s - 1 - e) * a[t.up];
			n && (d += (o - 1) * u);
			for (let t = 0; t < o; t++, d += n ? -u : u) l[c++] = i(d, t, e);
		}
		this.slice.getContext("2d").putImageData(c, 0, 0);
	}
}, ie = 3;
function G(e) {
	let t = new W();
	return e.setCanvas(t.canvas), t;
}
function K() {
	let e = document.createElement("canvas").getContext("webgl2");
	return e?.getExtension("WEBGL_lose_context")?.loseContext(), e !== null;
}
async function q(e, t, n) {
	if (n > ie || !K()) return {
		renderer: G(e),
		why: _.plain
	};
	let r = document.createElement("canvas");
	try {
		let { NiivuePlanes: n } = await import("./adapter-B40vdNAC.js");
		e.setCanvas(r);
		let i = await n.create(r), a = i.limit(t);
		return a ? (i.destroy(), {
			renderer: G(e),
			why: `${a} ${_.tooLarge}`
		}) : {
			renderer: i,
			why: ""
		};
	} catch (t) {
		return console.error(t), r.remove(), {
			renderer: G(e),
			why: _.plain
		};
	}
}
// src/stage.ts
var J = 720, Y = [
	"A",
	"C",
	"S"
], X = 9;
function ae(e) {
	let t = c("path", { class: "cross" }), n = c("g", { class: "marks" }), r = c("svg", {
		class: "overlay",
		"aria-hidden": "true"
	}, t, n), i = [
		0,
		1,
		2,
		3
	].map((e) => s("div", { class: `letter l${e}` })), a = s("div", {
		class: "surface",
		tabindex: "0",
		role: "img",
		"data-plane": e.name.toLowerCase(),
		"aria-label": `${e.name} plane; arrow up and down change the slice, ? shows all keys`
	}, r, s("div", { class: "name" }, e.name), ...i), o = s("input", {
		type: "range",
		min: "0",
		max: "0",
		value: "0",
		"aria-label": `${e.name} slice`
	}), l = s("span", { class: "count" });
	return {
		plane: e,
		box: s("div", { class: "pane" }, a, s("div", { class: "bar" }, o, l)),
		surface: a,
		slider: o,
		count: l,
		letters: i,
		cross: t,
		marks: n,
		rect: [
			0,
			0,
			1,
			1
		]
	};
}
var oe = class {
	panes = o.map(ae);
	side = s("div", { class: "side" });
	solid = s("div", { class: "pane solid" });
	body = s("div", { class: "body" }, ...this.panes.map((e) => e.box), this.solid, this.side);
	width = 1;
	height = 1;
	ratio = 1;
	setCanvas(e) {
		e.className = "picture", this.body.prepend(e);
	}
	arrange(e, t) {
		let n = this.body.clientWidth < J, r = n ? "180px" : "232px", [i, a] = ["\"A C P\" \"A S P\"", `3fr 2fr ${r}`], o = t ? "ACSD" : "ACS";
		e === "all" ? t ? [i, a] = ["\"A C P\" \"S D P\"", `1fr 1fr ${r}`] : n && ([i, a] = ["\"A C\" \"S P\"", "1fr 1fr"]) : (o = e === "3d" ? "D" : Y[e], [i, a] = [`"${o} P"`, `1fr ${r}`]), this.body.style.gridTemplateAreas = i, this.body.style.gridTemplateColumns = a, this.body.style.gridTemplateRows = i.includes("\" \"") ? "1fr 1fr" : "1fr", this.panes.forEach((e, t) => {
			e.box.style.gridArea = Y[t], e.box.hidden = !o.includes(Y[t]);
		}), this.solid.style.gridArea = "D", this.solid.hidden = !o.includes("D"), this.side.style.gridArea = "P", this.measure();
	}
	measure() {
		this.ratio = window.devicePixelRatio || 1;
		let e = this.body.getBoundingClientRect();
		this.width = Math.max(1, Math.round(e.width * this.ratio)), this.height = Math.max(1, Math.round(e.height * this.ratio));
		for (let t of this.panes) {
			let { left: n, top: r, right: i, bottom: a } = t.surface.getBoundingClientRect(), [o, s, c, l] = [
				n - e.left,
				r - e.top,
				i - e.left,
				a - e.top
			].map((e) => Math.round(e * this.ratio));
			t.rect = [
				o,
				s,
				c - o,
				l - s
			];
		}
	}
	isShown(e) {
		return !e.box.hidden && e.rect[2] > 1 && e.rect[3] > 1;
	}
	viewOf(e, t) {
		return i(e.plane, t, e.rect[2] / this.ratio, e.rect[3] / this.ratio);
	}
	tiles(e) {
		return this.panes.filter((e) => this.isShown(e)).map((t) => ({
			rect: t.rect,
			view: this.viewOf(t, e)
		}));
	}
	pointIn(e, t) {
		let n = this.body.getBoundingClientRect();
		return [t.clientX - n.left - e.rect[0] / this.ratio, t.clientY - n.top - e.rect[1] / this.ratio];
	}
	decorate(e, t) {
		for (let r of this.panes) {
			if (!this.isShown(r)) continue;
			let { plane: i } = r;
			n(i, e.isRadiological).forEach((e, t) => {
				r.letters[t].textContent = e;
			});
			let o = e.shape[i.normal];
			r.slider.max = String(o - 1), r.slider.value = String(t[i.normal]), r.count.textContent = `${t[i.normal] + 1} / ${o}`;
			let s = this.viewOf(r, e), [c, l] = a(s, e, t);
			r.cross.setAttribute("d", `M0 ${l}H${c - X}M${c + X} ${l}H${s.width}M${c} 0V${l - X}M${c} ${l + X}V${s.height}`);
		}
	}
}, se = ".sv{box-sizing:border-box;font:14px var(--st-font,sans-serif);color:var(--st-text-color,#222);flex-direction:column;gap:6px;display:flex;position:relative}.sv *,.sv :before{box-sizing:border-box}.sv [hidden]{display:none!important}.head{flex-wrap:wrap;align-items:center;gap:4px 10px;font-size:13px;display:flex}.badge{color:#fff;letter-spacing:.02em;white-space:nowrap;background:#b3470b;border-radius:4px;padding:2px 9px}.notice{flex:1;min-width:0;font-weight:600}.tools{flex-wrap:wrap;align-items:center;gap:4px 10px;font-size:13px;display:flex}.tools label{white-space:nowrap;align-items:center;gap:5px;display:flex}.tools input[type=number]{width:5em}.tools input[type=number],.tools select,.tools button,.help button{height:28px;font:inherit;color:inherit;background:var(--st-secondary-background-color,#f0f2f6);border:1px solid var(--st-border-color,#999);border-radius:4px;padding:2px 6px}.tools button{cursor:pointer;min-width:28px}.tools button[aria-pressed=true]{color:#fff;background:var(--st-primary-color,#1f6feb);border-color:#0000}.tools select:disabled{opacity:.5}.tools input[type=range]{width:80px}input{accent-color:var(--st-primary-color,#1f6feb)}.body{border-radius:4px;flex:1;gap:4px;min-height:0;display:grid;position:relative}.picture{background:#000;border-radius:4px;width:100%;height:100%;display:block;position:absolute;inset:0}.pane{color:#e8e8e8;flex-direction:column;min-width:0;min-height:0;display:flex;position:relative;overflow:hidden}.surface{cursor:crosshair;touch-action:none;-webkit-user-select:none;user-select:none;flex:1;min-height:0;position:relative;overflow:hidden}.surface:focus-visible{outline:2px solid var(--st-primary-color,#1f6feb);outline-offset:-2px}.overlay{pointer-events:none;width:100%;height:100%;position:absolute;inset:0;overflow:hidden}.cross{stroke:#5adc78d9;stroke-width:1px;fill:none;shape-rendering:crispedges}.marks line{stroke:#ffd866;stroke-width:1.5px}.marks text{fill:#ffd866;paint-order:stroke;stroke:#000;stroke-width:3px;font-size:13px}.name,.letter{pointer-events:none;text-shadow:0 0 3px #000,0 0 3px #000;font-size:12px;position:absolute}.name{top:4px;left:6px}.letter{color:#ffd866;font-size:15px;font-weight:700;line-height:18px}.l0{top:calc(50% - 9px);left:6px}.l1{top:calc(50% - 9px);right:6px}.l2{top:3px;left:calc(50% - 5px)}.l3{bottom:2px;left:calc(50% - 5px)}.bar{background:#14161a;flex:none;align-items:center;gap:8px;height:22px;padding:0 6px;font-size:12px;display:flex}.bar input{flex:1;min-width:0;margin:0}.count{text-align:right;font-variant-numeric:tabular-nums;min-width:62px}.side{background:var(--st-background-color,#fff);border:1px solid var(--st-border-color,#9995);border-radius:4px;flex-direction:column;gap:4px;min-width:0;min-height:0;padding:4px 8px;font-size:13px;display:flex;position:relative;overflow:hidden}.readout{white-space:pre-line;font-variant-numeric:tabular-nums;overflow-wrap:anywhere;flex:none;min-height:2.6em;line-height:1.3}.status:empty,.hint:empty{display:none}.status.error{color:var(--st-red-text-color,#c62828);font-weight:600}.hint{font-size:12px}.labels{flex:1;min-height:0;overflow-y:auto}.row{align-items:center;gap:6px;padding:1px 0;display:flex}.row input{flex:none;margin:0}.row i{border:1px solid #0005;border-radius:3px;flex:none;width:13px;height:13px}.row .text{min-width:0;font:inherit;color:inherit;text-align:left;cursor:pointer;overflow-wrap:anywhere;background:0 0;border:0;flex:1;padding:0}.row .text:hover{text-decoration:underline}.row .ml{font-variant-numeric:tabular-nums;white-space:nowrap}.none{opacity:.7}.help{z-index:5;background:var(--st-background-color,#fff);border:1px solid var(--st-border-color,#999);border-radius:6px;max-width:96%;max-height:calc(100% - 48px);padding:10px 16px;font-size:13px;position:absolute;inset:40px auto auto 50%;overflow:auto;transform:translate(-50%);box-shadow:0 4px 24px #0006}.help .columns{align-items:flex-start;gap:28px;display:flex}.help caption{text-align:left;padding-bottom:4px;font-weight:700}.help th{text-align:left;white-space:nowrap;vertical-align:top;padding:1px 14px 1px 0;font-weight:600}.help td{padding:1px 0}.help .close{cursor:pointer;margin-top:8px}";
// src/voxels.ts
function Z(e, t, n, r, i) {
	let a = i ? `?ticket=${encodeURIComponent(i)}` : "";
	return `${e.apiBase}/v1/${t}/${encodeURIComponent(n)}/levels/${r}${a}`;
}
async function Q(e, t, n) {
	let r = (t) => Z(e, "volumes", e.volumeId, t, e.volumeTicket), i = D(r(2), t).catch(() => null);
	n.onGeometry(await re(r(0), t));
	let a = await i;
	return a && !t.aborted && n.onLow(a), D(r(0), t, (e, r) => {
		t.aborted || n.onSlices(e, r);
	});
}
async function ce(e, t, n, r, i, a) {
	let o = await D(Z(e, "masks", t, 0, n), i, (e, t) => a(t / e.shape[2])), s = te(o, r);
	if (s) throw new x(s);
	return o;
}
// src/app.ts
var le = 32, ue = 24, de = 360, fe = class {
	data;
	root = s("div", {
		class: "sv",
		"data-ready": ""
	});
	stage = new oe();
	state = f();
	onPointer = null;
	scene = this.emptyScene();
	renderer = null;
	isMakingRenderer = !1;
	nLost = 0;
	colors = /* @__PURE__ */ new Uint32Array(65536);
	volumeLoad = null;
	maskLoad = null;
	comparedLoad = null;
	failed = /* @__PURE__ */ new Set();
	active = this.stage.panes[0];
	frame = 0;
	notice = s("div", { class: "notice" });
	badge = s("strong", { class: "badge" }, _.unreviewed);
	readout = s("div", {
		class: "readout",
		"aria-live": "off"
	}, " ");
	status = s("div", {
		class: "status",
		role: "status"
	});
	hint = s("div", { class: "hint" });
	labelList = s("div", { class: "labels" });
	controls;
	card = null;
	observer = new ResizeObserver(() => this.resize());
	onWindow = () => this.resize();
	constructor(e) {
		this.data = e, this.controls = new ee({
			setPreset: (e) => this.setPreset(e),
			setWindow: (e, t) => this.setWindow(e, t),
			set: (e) => this.set(e),
			run: (e) => {
				this.run(e, "");
			}
		}), this.stage.side.append(this.readout, this.status, this.hint, this.labelList), this.root.append(s("style", {}, se), s("div", { class: "head" }, this.badge, this.notice), this.controls.row, this.stage.body), R(this), A(this.root, (e, t) => this.run(e, t)), this.observer.observe(this.stage.body), window.addEventListener("resize", this.onWindow), Object.assign(this.root, { segloop: this.hooks() }), this.showTexts(), this.loadVolume();
	}
	update(e) {
		let t = this.data;
		this.data = e, this.showTexts();
		let n = (e, t, n) => this.failed.has(e) && t !== n;
		e.apiBase !== t.apiBase || e.volumeId !== t.volumeId || n("volume", t.volumeTicket, e.volumeTicket) ? this.loadVolume() : (e.maskId !== t.maskId || n("mask", t.maskTicket, e.maskTicket) ? this.loadMasks() : (e.compareMaskId !== t.compareMaskId || n("compared", t.compareMaskTicket, e.compareMaskTicket)) && this.loadCompared(), this.draw());
	}
	attached() {
		this.resize(), !this.renderer && !this.isMakingRenderer && this.startRenderer();
	}
	destroy() {
		for (let e of [
			this.volumeLoad,
			this.maskLoad,
			this.comparedLoad
		]) e?.abort();
		this.observer.disconnect(), window.removeEventListener("resize", this.onWindow), this.renderer?.destroy(), this.renderer = null, this.root.remove();
	}
	emptyScene() {
		return {
			camera: {
				shape: [
					1,
					1,
					1
				],
				spacing: [
					1,
					1,
					1
				],
				centre: [
					.5,
					.5,
					.5
				],
				zoom: 1,
				isRadiological: !0
			},
			low: null,
			full: null,
			nSlices: 0,
			mask: null,
			compared: null
		};
	}
	geometry = null;
	async loadVolume() {
		for (let e of [
			this.volumeLoad,
			this.maskLoad,
			this.comparedLoad
		]) e?.abort();
		let e = this.volumeLoad = new AbortController();
		this.scene = this.emptyScene(), this.geometry = null, this.failed.clear(), this.root.dataset.ready = "", delete this.root.dataset.error, this.say(_.loadingVolume), this.draw();
		let t = null, n = 0;
		try {
			if (await Q(this.data, e.signal, {
				onGeometry: (t) => {
					e.signal.aborted || this.setGeometry(t);
				},
				onLow: (n) => {
					this.scene.low = n, this.startRenderer().then(() => {
						e.signal.aborted || (this.renderer?.setScene(this.scene), this.root.dataset.ready ||= "low", this.draw());
					}), t ??= this.loadMasks();
				},
				onSlices: (e, t) => {
					this.scene.full || (this.scene.full = e, this.renderer?.setScene(this.scene));
					let r = t === e.shape[2];
					t - n < le && !r || t > n && (this.scene.nSlices = t, this.renderer?.addSlices(n, t), n = t, this.say(_.loadingFull(t / e.shape[2])), this.draw());
				}
			}), e.signal.aborted || (await this.startRenderer(), this.state.preset === "Whole range" && this.setPreset(u), this.root.dataset.ready = "low", await (t ?? this.loadMasks()), e.signal.aborted)) return;
			this.finish();
		} catch (t) {
			if (e.signal.aborted) return;
			this.failed.add("volume"), this.fail(_.volumeFailed, t);
		}
	}
	setGeometry(e) {
		this.geometry = e;
		let { shape: t, spacing: n } = e;
		this.scene.camera = {
			...this.scene.camera,
			shape: t,
			spacing: n
		}, Object.assign(this.state, {
			cross: t.map((e) => Math.floor(e / 2)),
			zoom: 1,
			centre: [
				.5,
				.5,
				.5
			]
		});
	}
	async loadMasks() {
		await Promise.all([this.loadOne("mask"), this.loadOne("compared")]), this.scene.nSlices === this.scene.camera.shape[2] && this.finish();
	}
	async loadCompared() {
		await this.loadOne("compared"), this.finish();
	}
	async loadOne(e) {
		let t = e === "mask", n = new AbortController();
		t ? (this.maskLoad?.abort(), this.maskLoad = n) : (this.comparedLoad?.abort(), this.comparedLoad = n), this.setLabels(e, null), this.failed.delete(e), this.failed.size || delete this.root.dataset.error;
		let [r, i] = t ? [this.data.maskId, this.data.maskTicket] : [this.data.compareMaskId, this.data.compareMaskTicket];
		if (r && this.geometry) {
			this.root.dataset.ready === "full" && (this.root.dataset.ready = "low");
			try {
				let t = this.scene.nSlices === this.geometry.shape[2], a = await ce(this.data, r, i, this.geometry, n.signal, (e) => {
					t && this.say(_.loadingMask(e));
				});
				n.signal.aborted || this.setLabels(e, a);
			} catch (r) {
				if (n.signal.aborted) return;
				this.failed.add(e), this.fail(t ? _.maskFailed : _.comparedFailed, r);
			}
		}
	}
	setLabels(e, t) {
		this.scene[e] = t, e === "mask" ? this.renderer?.setMask(t) : this.renderer?.setCompared(t), this.showState(), this.draw();
	}
	finish() {
		this.root.dataset.ready = "full", this.failed.size || this.say(""), this.hover(null), this.draw();
	}
	say(e) {
		this.failed.size || (this.status.classList.remove("error"), this.status.textContent = e);
	}
	fail(e, t) {
		let n = t instanceof x ? t.message : _.unreachable;
		this.status.classList.add("error"), this.status.textContent = e + n, this.root.dataset.error = n, this.draw();
	}
	rendererReady = null;
	startRenderer() {
		return this.rendererReady ??= this.useRenderer(), this.rendererReady;
	}
	async useRenderer() {
		this.isMakingRenderer = !0;
		let e = await q(this.stage, this.scene.camera.shape, this.nLost);
		this.isMakingRenderer = !1, this.renderer = e.renderer, this.root.dataset.renderer = e.renderer.kind, this.hint.textContent = e.why, this.adopt(e.renderer);
	}
	adopt(e) {
		e.setColors(this.colors), e.setScene(this.scene), e.canvas.addEventListener("webglcontextlost", (t) => {
			t.preventDefault(), this.renderer === e && (this.nLost += 1, this.renderer = null, this.rendererReady = null, e.destroy(), setTimeout(() => void this.startRenderer(), 200));
		}), this.showState(), this.draw();
	}
	camera() {
		if (!this.geometry) return null;
		let { zoom: e, centre: t, isRadiological: n } = this.state;
		return Object.assign(this.scene.camera, {
			zoom: e,
			centre: t,
			isRadiological: n
		});
	}
	look() {
		let { cross: e, width: t, level: n, opacity: r, isMaskHidden: i, isOutline: a, isSmooth: o } = this.state, s = n - t / 2 - this.data.huOffset;
		return {
			cross: e,
			range: [s, s + t],
			opacity: i ? 0 : r,
			isOutline: a,
			isSmooth: o,
			isReviewed: this.data.isReviewed,
			colors: this.colors
		};
	}
	draw() {
		this.frame ||= requestAnimationFrame(() => {
			this.frame = 0, this.drawNow();
		});
	}
	drawNow() {
		let e = this.camera();
		if (e && this.root.isConnected && (this.stage.decorate(e, this.state.cross), this.renderer)) try {
			this.renderer.draw(this.stage.width, this.stage.height, this.stage.tiles(e), this.look());
		} catch (e) {
			if (this.renderer.kind === "plain") throw e;
			console.error(e), this.renderer.destroy(), this.renderer = G(this.stage), this.hint.textContent = _.plain, this.adopt(this.renderer);
		}
	}
	resize() {
		this.root.isConnected && (this.root.style.height = `${this.data.height ?? this.roomBelow()}px`, this.stage.arrange(this.state.layout, this.state.is3d), this.draw());
	}
	roomBelow() {
		let e = this.root.getBoundingClientRect().top, t = this.root.getRootNode(), n = t instanceof ShadowRoot ? t.host : this.root.parentElement;
		for (; n; n = n.parentElement) e += n.scrollTop;
		return Math.max(de, Math.floor(window.innerHeight - e - ue));
	}
	set(e) {
		let t = "layout" in e || "is3d" in e;
		Object.assign(this.state, e), t && this.stage.arrange(this.state.layout, this.state.is3d), this.showState(), this.draw();
	}
	setPreset(e) {
		let t = this.scene.full ?? this.scene.low, [n, r] = l[e] ?? [this.state.width, this.state.level];
		if (e === "Whole range" && t) {
			let [e, i] = z(t);
			[n, r] = [Math.max(1, i - e), Math.round((i + e) / 2) + this.data.huOffset];
		}
		this.set({
			preset: e,
			width: n,
			level: r
		});
	}
	setWindow(e, t) {
		this.set({
			width: e,
			level: t,
			preset: d
		});
	}
	setCamera(e, t) {
		this.set({
			zoom: e,
			centre: t
		});
	}
	activate(e) {
		this.active = e;
	}
	measure(e, t, n) {}
	toggleLarge(e) {
		this.set({ layout: this.state.layout === "all" ? e.plane.index : "all" });
	}
	moveTo(e) {
		this.geometry && (this.state.cross = p(e, this.geometry.shape), this.hover(null), this.draw());
	}
	run(e, t) {
		let { state: n } = this, r = this.active.plane.normal, i = (e) => {
			let t = [...n.cross];
			t[r] += e, this.moveTo(t);
		};
		switch (e) {
			case "slice1":
				i(t === "ArrowUp" ? 1 : -1);
				break;
			case "slice10":
				i(t === "PageUp" ? 10 : -10);
				break;
			case "sliceEnd":
				i(t === "Home" ? -1e6 : 1e6);
				break;
			case "preset":
				this.setPreset([...Object.keys(l), u][Number(t) - 1]);
				break;
			case "mask":
				this.set({ isMaskHidden: !n.isMaskHidden });
				break;
			case "outline":
				this.set({ isOutline: !n.isOutline });
				break;
			case "smooth":
				this.set({ isSmooth: !n.isSmooth });
				break;
			case "zoom":
				this.zoomActive(t === "+" ? 1.25 : .8);
				break;
			case "reset":
				this.set({
					zoom: 1,
					centre: [
						.5,
						.5,
						.5
					]
				});
				break;
			case "large":
				this.toggleLarge(this.active);
				break;
			case "convention":
				this.set({ isRadiological: !n.isRadiological });
				break;
			case "help":
				this.toggleHelp();
				break;
			case "escape":
				this.card ? this.toggleHelp() : this.set({ mode: "cross" });
				break;
			default: return !1;
		}
		return !0;
	}
	zoomActive(e) {
		let t = this.camera();
		if (!t) return;
		let n = this.stage.viewOf(this.active, t), { zoom: r, centre: i } = I(n, t, e, ...a(n, t, this.state.cross));
		this.setCamera(r, i);
	}
	toggleHelp() {
		this.card?.remove(), this.card = this.card ? null : j(() => this.toggleHelp()), this.card && this.root.append(this.card);
	}
	showTexts() {
		let { labels: e, notice: t, isReviewed: n, maskId: r } = this.data;
		this.notice.textContent = t, this.badge.hidden = n || !r, P(this.labelList, e, {
			isHidden: (e) => this.state.hidden.has(e),
			setHidden: (e, t) => {
				t ? this.state.hidden.add(e) : this.state.hidden.delete(e), this.showColors();
			},
			jumpTo: (e) => {
				let t = this.scene.mask && b(this.scene.mask, e);
				t && this.moveTo(t);
			}
		}), this.showColors(), this.showState(), this.resize();
	}
	showColors() {
		this.colors = g(this.data.labels, this.state.hidden), this.renderer?.setColors(this.colors), this.draw();
	}
	showState() {
		this.controls?.show(this.state, this.scene.mask !== null, this.renderer?.kind === "plain");
	}
	valueOf(e) {
		let { low: t, full: n, nSlices: r, camera: i } = this.scene, a = n && e[2] < r ? C(n, e) : t && C(t, w(i.shape, t.shape, e));
		return a === null ? null : a + this.data.huOffset;
	}
	hover(e) {
		let t = e ?? this.state.cross, n = this.geometry && this.valueOf(t);
		if (n === null) return;
		let r = C(this.scene.mask, t), i = r ? this.data.labels.find(({ index: e }) => e === r)?.name ?? _.label(r) : r === 0 ? _.noLabel : "";
		this.readout.textContent = `${n} ${this.data.unit}${i ? ` · ${i}` : ""}\nvoxel ${t.join(", ")}`;
	}
	updateMask(e) {
		this.renderer?.updateMask(e), this.draw();
	}
	hooks() {
		let e = (e) => this.stage.panes[e];
		return {
			hu: (e, t, n) => {
				let r = C(this.scene.full, [
					e,
					t,
					n
				]);
				return r === null ? null : r + this.data.huOffset;
			},
			label: (e, t, n) => C(this.scene.mask, [
				e,
				t,
				n
			]),
			crosshair: () => [...this.state.cross],
			setCrosshair: (e, t, n) => this.moveTo([
				e,
				t,
				n
			]),
			set: (e) => this.set(e),
			state: () => ({
				...this.state,
				hidden: [...this.state.hidden]
			}),
			pointOf: (t, n) => {
				let r = this.stage.body.getBoundingClientRect(), { rect: i } = e(t), [o, s] = a(this.stage.viewOf(e(t), this.camera()), this.camera(), n);
				return [r.left + i[0] / this.stage.ratio + o, r.top + i[1] / this.stage.ratio + s];
			},
			voxelAt: (t, n, i) => {
				let a = this.stage.viewOf(e(t), this.camera()), [o, s] = this.stage.pointIn(e(t), {
					clientX: n,
					clientY: i
				});
				return r(a, this.camera(), o, s, this.state.cross);
			},
			planes: o.map(({ name: e }) => e),
			app: this
		};
	}
}, $ = /* @__PURE__ */ new Map(), pe = 3;
function me({ data: e, parentElement: t }) {
	let n = $.get(e.instance);
	n ? (n.update(e), $.delete(e.instance)) : n = new fe(e), $.set(e.instance, n);
	for (let [e, t] of $) {
		if ($.size <= pe) break;
		t.root.isConnected || t === n || (t.destroy(), $.delete(e));
	}
	let r = n;
	return r.root.parentNode !== t && t.append(r.root), r.attached(), () => {
		r.root.parentNode === t && r.root.remove();
	};
}
export { me as default };
