import { a as e, i as t, n, o as r, r as i, s as a, t as o } from "./layout-CLsOC_Ty.js";
import { a as s, i as c, n as l, o as u, r as d, t as f } from "./grid-Cyd5ase_.js";
// src/state.ts
var p = {
	Brain: [80, 40],
	"Soft tissue": [400, 40],
	Lung: [1500, -600],
	Bone: [2e3, 500]
}, m = "Whole range", h = "Custom";
function g() {
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
		comparing: "difference",
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
function _(e, t) {
	return e.map((e, n) => Math.min(t[n] - 1, Math.max(0, Math.round(e))));
}
function ee(e) {
	return Math.min(40, Math.max(.5, e));
}
function v(e) {
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
function te(e, t) {
	let n = (/* @__PURE__ */ new Uint32Array(65536)).fill(e.length ? 4278190335 : 0);
	n[0] = 0;
	for (let { index: r, color: i } of e) {
		if (r <= 0 || r > 65535) continue;
		let [e, a, o] = v(i);
		n[r] = t.has(r) ? 0 : (255 << 24 | o << 16 | a << 8 | e) >>> 0;
	}
	return n;
}
// src/pointer.ts
var y = 25;
function ne(e, t, n, r) {
	let i = [...t.centre], { across: a, up: o } = e.plane, s = n / e.pxPerMm;
	return i[a] += (e.isFlipped ? s : -s) / (t.shape[a] * t.spacing[a]), i[o] += r / e.pxPerMm / (t.shape[o] * t.spacing[o]), i.map((e) => Math.min(1, Math.max(0, e)));
}
function b(t, n, r, i, a) {
	let o = ee(n.zoom * r), [s, c] = e(t, i, a), l = n.zoom / o, u = [...n.centre], { across: d, up: f } = t.plane;
	return u[d] = (s + (t.acrossMm - s) * l) / (n.shape[d] * n.spacing[d]), u[f] = (c + (t.upMm - c) * l) / (n.shape[f] * n.spacing[f]), {
		zoom: o,
		centre: o <= 1 ? [
			.5,
			.5,
			.5
		] : u.map((e) => Math.min(1, Math.max(0, e)))
	};
}
var x = class {
	host;
	pane;
	action = null;
	pointer = -1;
	last = [0, 0];
	rolled = 0;
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
		} else i === "pan" ? n.setCamera(a.camera.zoom, ne(a.view, a.camera, o, s)) : i === "measure" && n.measure(r, "move", e(a.view, ...a.at));
	}
	end(t, n) {
		if (t.pointerId !== this.pointer || !this.action) return;
		let { action: r } = this;
		this.action = null, this.pointer = -1;
		let i = this.pick(t);
		r === "hook" && this.host.onPointer?.(this.pane.plane, i?.voxel ?? null, t, n), r === "measure" && i && this.host.measure(this.pane, n, e(i.view, ...i.at));
	}
	notches(e) {
		if (e.deltaMode !== 0 || Math.abs(e.deltaY) >= 50) return this.rolled = 0, Math.sign(e.deltaY);
		this.rolled += e.deltaY;
		let t = Math.trunc(this.rolled / y);
		return this.rolled -= t * y, t;
	}
	wheel(e) {
		e.preventDefault();
		let t = this.pick(e);
		if (!t || !e.deltaY) return;
		if (e.ctrlKey || e.metaKey) {
			let { zoom: n, centre: r } = b(t.view, t.camera, Math.exp(-e.deltaY / 400), ...t.at);
			this.host.setCamera(n, r);
			return;
		}
		let n = [...this.host.state.cross];
		n[this.pane.plane.normal] -= this.notches(e), this.host.moveTo(n);
	}
};
function re(e) {
	for (let t of e.stage.panes) new x(e, t), t.slider.addEventListener("input", () => {
		let n = [...e.state.cross];
		n[t.plane.normal] = t.slider.valueAsNumber, e.moveTo(n);
	}), t.surface.addEventListener("focus", () => e.activate(t));
}
// src/commands.ts
function S(e, t) {
	let n = [...e.state.cross];
	n[e.active.plane.normal] += t, e.moveTo(n);
}
function ie(e, t) {
	let n = e.camera();
	if (!n) return;
	let r = e.stage.viewOf(e.active, n), i = b(r, n, t, ...a(r, n, e.state.cross));
	e.setCamera(i.zoom, i.centre);
}
function C(e, t, n) {
	let { state: r } = e;
	switch (t) {
		case "slice1":
			S(e, n === "ArrowUp" ? 1 : -1);
			break;
		case "slice10":
			S(e, n === "PageUp" ? 10 : -10);
			break;
		case "sliceEnd":
			S(e, n === "Home" ? -1e6 : 1e6);
			break;
		case "preset":
			e.setPreset([...Object.keys(p), m][Number(n) - 1]);
			break;
		case "mask":
			e.set({ isMaskHidden: !r.isMaskHidden });
			break;
		case "outline":
			e.set({ isOutline: !r.isOutline });
			break;
		case "smooth":
			e.set({ isSmooth: !r.isSmooth });
			break;
		case "zoom":
			ie(e, n === "+" ? 1.25 : .8);
			break;
		case "reset":
			e.set({
				zoom: 1,
				centre: [
					.5,
					.5,
					.5
				]
			});
			break;
		case "large":
			e.toggleLarge(e.active);
			break;
		case "solid":
			e.root.dataset.renderer === "webgl" && e.set({
				is3d: !r.is3d,
				layout: r.layout === "3d" ? "all" : r.layout
			});
			break;
		case "measure":
			e.set({ mode: r.mode === "measure" ? "cross" : "measure" });
			break;
		case "convention":
			e.set({ isRadiological: !r.isRadiological });
			break;
		case "help":
			e.toggleHelp();
			break;
		case "escape":
			e.escape();
			break;
		default: return !1;
	}
	return !0;
}
// src/dom.ts
function w(e, t = {}, ...n) {
	let r = document.createElement(e);
	for (let [e, n] of Object.entries(t)) r.setAttribute(e, n);
	return r.append(...n), r;
}
function T(e, t = {}, ...n) {
	let r = document.createElementNS("http://www.w3.org/2000/svg", e);
	for (let [e, n] of Object.entries(t)) r.setAttribute(e, n);
	return r.append(...n), r;
}
// src/text.ts
var E = {
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
	loadingSolid: "Loading the 3D view ...",
	noSolid: "The 3D view could not be made.",
	agreement: "both agree",
	onlyIn: (e) => `only ${e}`,
	difference: "Difference",
	comparing: "Shown mask",
	nextDifference: "Next difference",
	noDifference: "The two masks do not differ.",
	otherLabel: "another label",
	noLabels: "No labels",
	noLabel: "no label",
	label: (e) => `label ${e}`
};
// src/controls.ts
function D(e, t) {
	return w("label", {}, w("span", {}, e), t);
}
function O(e, t) {
	return e.append(...t.map(([e, t]) => w("option", { value: e }, t))), e;
}
var ae = class {
	preset = O(w("select", { "aria-label": "Window preset" }), [
		...Object.keys(p),
		m,
		h
	].map((e) => [e, e]));
	width = w("input", {
		type: "number",
		min: "1",
		step: "10",
		"aria-label": "Window width"
	});
	level = w("input", {
		type: "number",
		step: "10",
		"aria-label": "Window level"
	});
	opacity = w("input", {
		type: "range",
		min: "0",
		max: "100",
		"aria-label": "Mask opacity"
	});
	style = O(w("select", { "aria-label": "Fill or outline" }), [["fill", "Fill"], ["outline", "Outline"]]);
	layout = O(w("select", { "aria-label": "Layout" }), [
		["all", "All planes"],
		["0", "Axial"],
		["1", "Coronal"],
		["2", "Sagittal"],
		["3d", "3D"]
	]);
	convention = O(w("select", {
		"aria-label": "Convention",
		class: "convention"
	}), [["1", E.radiological], ["0", E.neurological]]);
	solid = w("button", {
		type: "button",
		title: "3D view (D)"
	}, "3D");
	measure = w("button", {
		type: "button",
		title: "Drag to measure; Esc ends (M)"
	}, "Measure");
	reset = w("button", {
		type: "button",
		title: "Whole picture (0); Ctrl + wheel zooms"
	});
	help = w("button", {
		type: "button",
		"aria-label": "Keys and mouse",
		title: "Keys and mouse (?)"
	}, "?");
	row = w("div", { class: "tools" }, D("Window", this.preset), D("W", this.width), D("L", this.level), D("Mask", this.opacity), this.style, this.layout, this.convention, this.solid, this.measure, this.reset, this.help);
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
		}), this.convention.addEventListener("change", () => e.set({ isRadiological: this.convention.value === "1" }));
		for (let [t, n] of [
			[this.help, "help"],
			[this.solid, "solid"],
			[this.measure, "measure"],
			[this.reset, "reset"]
		]) t.addEventListener("click", () => e.run(n));
	}
	show(e, t, n) {
		let r = this.row.getRootNode().activeElement;
		this.preset.value = e.preset, r !== this.width && (this.width.value = String(e.width)), r !== this.level && (this.level.value = String(e.level)), this.opacity.value = String(Math.round(e.opacity * 100)), this.opacity.disabled = !t, this.style.value = e.isOutline ? "outline" : "fill", this.style.disabled = !t || n, this.layout.value = String(e.layout), this.solid.setAttribute("aria-pressed", String(e.is3d || e.layout === "3d")), this.solid.disabled = this.layout.options[4].disabled = n, this.measure.setAttribute("aria-pressed", String(e.mode === "measure")), this.reset.textContent = `${Math.round(e.zoom * 100)} %`, this.convention.value = e.isRadiological ? "1" : "0";
	}
};
// src/find.ts
function k(e, t, n) {
	let [r, i] = e, a = t * r * i, o = [];
	for (let e = 0; e < r * i; e++) n(a + e) && o.push([e % r, Math.floor(e / r)]);
	let [s, c] = [0, 1].map((e) => o.reduce((t, n) => t + n[e], 0) / o.length), l = ([e, t]) => (e - s) ** 2 + (t - c) ** 2, u = o[0];
	for (let e of o) l(e) < l(u) && (u = e);
	return u ? [
		u[0],
		u[1],
		t
	] : null;
}
function oe(e, t, n, r = 10, i = 20) {
	let [a, o, s] = e.shape, [c, l] = [e.voxels, t.voxels], u = (e) => n[e] ? e : 0, d = (e) => c[e] !== l[e] && u(c[e]) !== u(l[e]), f = Array.from({ length: s }, (e, t) => {
		let n = 0;
		for (let e = t * a * o, r = e + a * o; e < r; e++) d(e) && n++;
		return {
			z: t,
			count: n
		};
	}), p = [];
	for (let { z: t, count: n } of f.sort((e, t) => t.count - e.count)) {
		if (!n || p.length === i) break;
		p.every((n) => Math.abs(n - t) * e.spacing[2] >= r) && p.push(t);
	}
	return p.map((t) => k(e.shape, t, d));
}
function A(e, t) {
	let [n, r, i] = e.shape, { voxels: a } = e, o = n * r, [s, c] = [-1, 0];
	for (let e = 0; e < i; e++) {
		let n = 0;
		for (let r = e * o, i = r + o; r < i; r++) a[r] === t && n++;
		n > c && ([s, c] = [e, n]);
	}
	return s < 0 ? null : k(e.shape, s, (e) => a[e] === t);
}
// src/hooks.ts
function se(e) {
	let t = (t) => e.stage.panes[t];
	return {
		app: e,
		hu: (t, n, r) => {
			let i = u(e.store.scene.full, [
				t,
				n,
				r
			]);
			return i === null ? null : i + e.data.huOffset;
		},
		label: (t, n, r) => u(e.store.scene.mask, [
			t,
			n,
			r
		]),
		crosshair: () => [...e.state.cross],
		setCrosshair: (t, n, r) => e.moveTo([
			t,
			n,
			r
		]),
		set: (t) => e.set(t),
		state: () => ({
			...e.state,
			hidden: [...e.state.hidden]
		}),
		pointOf: (n, r) => {
			let i = e.stage.body.getBoundingClientRect(), { rect: o } = t(n), [s, c] = a(e.stage.viewOf(t(n), e.camera()), e.camera(), r);
			return [i.left + o[0] / e.stage.ratio + s, i.top + o[1] / e.stage.ratio + c];
		},
		voxelAt: (t, n, r) => e.voxelAt(t, {
			clientX: n,
			clientY: r
		})
	};
}
// src/keys.ts
var j = [
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
], M = [
	["click, drag", "move the crosshair"],
	["wheel", "slices"],
	["Ctrl + wheel", "zoom"],
	["right drag", "window: width across, level up and down"],
	["Shift or middle drag", "move the picture"],
	["double click", "this plane large, or all"]
];
function N(e, t) {
	for (let t of [
		"keydown",
		"keyup",
		"keypress"
	]) e.addEventListener(t, (e) => e.stopPropagation());
	e.addEventListener("keydown", (e) => {
		let n = e.target;
		if (e.ctrlKey || e.metaKey || e.altKey || n.closest("input[type=number], select") || n.closest("input") && /^(Arrow|Page|Home|End)/.test(e.key)) return;
		let r = e.key === "=" ? "+" : e.key.length === 1 ? e.key.toLowerCase() : e.key, i = j.find(([e]) => e.includes(r));
		i && t(i[2], r) && e.preventDefault();
	});
}
function P(e) {
	let t = (e) => e.map(([e, t]) => w("tr", {}, w("th", { scope: "row" }, e), w("td", {}, t))), n = (e) => e.map((e) => e.replace("Arrow", "").toUpperCase()).join(" ").replace("PAGEUP PAGEDOWN", "PgUp PgDn").replace("HOME END", "Home End").replace("UP DOWN", "↑ ↓").replace("ESCAPE", "Esc"), r = w("button", {
		type: "button",
		class: "close"
	}, "Close");
	return r.addEventListener("click", e), w("div", {
		class: "help",
		role: "dialog",
		"aria-label": "Keys and mouse"
	}, w("div", { class: "columns" }, w("table", {}, w("caption", {}, "Keys"), ...t(j.map(([e, t]) => [n(e), t]))), w("table", {}, w("caption", {}, "Mouse"), ...t(M))), r);
}
// src/labels_panel.ts
function F(e, t, n) {
	if (!t) {
		e.replaceChildren();
		return;
	}
	let r = w("select", { "aria-label": E.comparing });
	for (let [e, n] of [
		["difference", E.difference],
		["first", t[0]],
		["second", t[1]]
	]) r.append(w("option", { value: e }, n));
	r.value = n.comparing, r.addEventListener("change", () => n.choose(r.value));
	let i = w("button", { type: "button" }, E.nextDifference);
	i.addEventListener("click", () => n.next());
	let a = [
		["#4db359", E.agreement],
		["#f28c1f", E.onlyIn(t[0])],
		["#4080ff", E.onlyIn(t[1])],
		["#d940d9", E.otherLabel]
	];
	e.replaceChildren(w("div", { class: "choice" }, r, i), ...a.map(([e, t]) => w("span", {}, w("i", { style: `background:${e}` }), t)));
}
function I(e) {
	return e == null ? "-" : `${e.toFixed(e < 10 ? 2 : 1)} ml`;
}
function L(e, t) {
	let [n, r, i] = v(e.color), a = w("input", {
		type: "checkbox",
		"aria-label": `Show ${e.name}`
	});
	a.checked = !t.isHidden(e.index), a.addEventListener("change", () => t.setHidden(e.index, !a.checked));
	let o = w("button", {
		class: "text",
		type: "button",
		title: `Go to ${e.name}`
	}, e.name);
	return o.addEventListener("click", () => t.jumpTo(e.index)), w("div", {
		class: "row",
		"data-label": String(e.index)
	}, a, w("i", { style: `background:rgb(${n},${r},${i})` }), o, w("span", { class: "ml" }, I(e.volume_ml)));
}
function R(e, t, n) {
	let r = t.map((e) => L(e, n));
	e.replaceChildren(...r.length ? r : [w("div", { class: "none" }, E.noLabels)]);
}
// src/measure.ts
function z({ from: e, to: t }) {
	return Math.hypot(t[0] - e[0], t[1] - e[1]);
}
var B = class {
	lines = [];
	open = null;
	drag(e, t, n, r) {
		t === "down" ? (this.open = {
			plane: e.plane.index,
			slice: r[e.plane.normal],
			from: n,
			to: n
		}, this.lines.push(this.open)) : this.open && (this.open.to = n), (t === "up" || t === "cancel") && (this.lines = this.lines.filter((e) => e !== this.open || z(e) > 0), this.open = null);
	}
	clear() {
		this.lines = [], this.open = null;
	}
	marks(e, n) {
		return this.lines.filter(({ plane: t, slice: r }) => t === e.plane.index && r === n[e.plane.normal]).flatMap((n) => {
			let [r, i] = t(e, ...n.from), [a, o] = t(e, ...n.to), s = T("text", {
				x: String(Math.max(r, a) + 6),
				y: String((r > a ? i : o) + 4)
			});
			return s.textContent = `${z(n).toFixed(1)} mm`, [T("line", {
				x1: String(r),
				y1: String(i),
				x2: String(a),
				y2: String(o)
			}), s];
		});
	}
};
// src/renderer.ts
function V(e) {
	let t = Infinity, n = -Infinity;
	for (let r of e.voxels) r < t && (t = r), r > n && (n = r);
	return [t, n];
}
// src/plain/planes.ts
var H = 4284068685, U = 4280257778, W = 4294934592, G = 4292427993, K = class {
	kind = "plain";
	canvas = document.createElement("canvas");
	scene = null;
	slice = document.createElement("canvas");
	limit() {
		return null;
	}
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
		let { shape: a, spacing: o } = i.camera, { across: c, up: l } = n.plane, u = t(n, 0, 0), d = t(n, a[c] * o[c], a[l] * o[l]), f = (t, i, o) => {
			this.fill(t, n.plane, n.isFlipped, s(a, t.shape, r.cross), o), e.imageSmoothingEnabled = i, e.drawImage(this.slice, Math.min(u[0], d[0]), d[1], Math.abs(d[0] - u[0]), u[1] - d[1]);
		}, p = i.full && i.nSlices === a[2] ? i.full : i.low;
		if (p) {
			let e = 255 / (r.range[1] - r.range[0]);
			f(p, r.isSmooth, (t) => {
				let n = Math.min(255, Math.max(0, Math.round((p.voxels[t] - r.range[0]) * e)));
				return (255 << 24 | n << 16 | n << 8 | n) >>> 0;
			});
		}
		let m = r.comparing === "difference" ? i.compared : null, h = r.comparing === "second" && i.compared ? i.compared : i.mask;
		if (!h || r.opacity === 0) return;
		e.globalAlpha = r.opacity;
		let g = (e) => r.colors[e];
		m ? f(h, !1, (e) => {
			let t = g(h.voxels[e]) ? h.voxels[e] : 0, n = g(m.voxels[e]) ? m.voxels[e] : 0;
			return !t && !n ? 0 : t === n ? H : t && n ? G : t ? U : W;
		}) : f(h, !1, (e, t, n) => !r.isReviewed && (t + n) % 4 > 1 ? 0 : g(h.voxels[e]));
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
}, ce = 3;
function q(e) {
	let t = new K();
	return e.setCanvas(t.canvas), t;
}
async function le(e, t) {
	if (t > ce || !("WebGL2RenderingContext" in window)) return {
		renderer: q(e),
		why: E.plain
	};
	let n = document.createElement("canvas");
	try {
		let { NiivuePlanes: t } = await import("./adapter-CjEEvlhi.js");
		return e.setCanvas(n), {
			renderer: await t.create(n),
			why: ""
		};
	} catch (t) {
		return console.warn(t), n.remove(), {
			renderer: q(e),
			why: E.plain
		};
	}
}
// src/voxels.ts
function J(e, t, n, r, i) {
	let a = i ? `?ticket=${encodeURIComponent(i)}` : "";
	return `${e.apiBase}/v1/${t}/${encodeURIComponent(n)}/levels/${r}${a}`;
}
async function ue(e, t, n) {
	let r = (t) => J(e, "volumes", e.volumeId, t, e.volumeTicket), i = l(r(2), t).catch(() => null);
	n.onGeometry(await c(r(0), t));
	let a = await i;
	return a && !t.aborted && await n.onLow(a), l(r(0), t, (e, r) => {
		t.aborted || n.onSlices(e, r);
	});
}
async function de(e, t, n, r, i, a) {
	let o = await l(J(e, "masks", t, 0, n), i, (e, t) => a(t / e.shape[2])), s = d(o, r);
	if (s) throw new f(s);
	return o;
}
// src/solid.ts
var fe = [150, 1400], pe = class {
	host;
	message = w("div", { class: "message" }, E.loadingSolid);
	made = null;
	solid = null;
	mask = null;
	colors = null;
	nClosed = 0;
	constructor(e) {
		this.host = e, e.append(w("div", { class: "name" }, "3D"), this.message);
	}
	async show(e, t, n) {
		this.made ??= this.make(e);
		let r = await this.made;
		r && r === this.solid && ((t.mask !== this.mask || n !== this.colors) && (this.mask = t.mask, this.colors = n, r.setMask(t.mask, e.labels, n)), r.draw());
	}
	maskChanged() {
		this.mask = null;
	}
	draw() {
		this.solid?.draw();
	}
	close() {
		this.nClosed += 1, this.solid?.destroy(), this.solid = this.made = this.mask = this.colors = null;
	}
	async make(e) {
		let { nClosed: t } = this;
		this.message.hidden = !1, this.message.textContent = E.loadingSolid;
		try {
			let { Solid: n } = await import("./three_d-AL4ORpTb.js"), r = await l(J(e, "volumes", e.volumeId, 1, e.volumeTicket), AbortSignal.timeout(12e4));
			if (t !== this.nClosed) return null;
			let i = await n.create(this.host), [a, o] = V(r), s = e.unit === "HU" ? fe.map((t) => t - e.huOffset) : [a + (o - a) / 3, o];
			return i.setVolume(r, s), i.canvas.addEventListener("webglcontextlost", () => {
				this.solid === i && this.close();
			}), this.solid = i, this.message.hidden = !0, i;
		} catch (e) {
			return console.error(e), this.message.textContent = e instanceof f ? e.message : E.noSolid, this.made = null, null;
		}
	}
}, me = 720, Y = [
	"A",
	"C",
	"S"
], X = 9;
function he(e) {
	let t = T("path", { class: "cross" }), n = T("g", { class: "marks" }), r = T("svg", {
		class: "overlay",
		"aria-hidden": "true"
	}, t, n), i = [
		0,
		1,
		2,
		3
	].map((e) => w("div", { class: `letter l${e}` })), a = w("div", {
		class: "surface",
		tabindex: "0",
		role: "img",
		"data-plane": e.name.toLowerCase(),
		"aria-label": `${e.name} plane; arrow up and down change the slice, ? shows all keys`
	}, r, w("div", { class: "name" }, e.name), ...i), o = w("input", {
		type: "range",
		min: "0",
		max: "0",
		value: "0",
		"aria-label": `${e.name} slice`
	}), s = w("span", { class: "count" });
	return {
		plane: e,
		box: w("div", { class: "pane" }, a, w("div", { class: "bar" }, o, s)),
		surface: a,
		slider: o,
		count: s,
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
var Z = class {
	panes = o.map(he);
	side = w("div", { class: "side" });
	solid = w("div", { class: "pane solid" });
	body = w("div", { class: "body" }, ...this.panes.map((e) => e.box), this.solid, this.side);
	width = 1;
	height = 1;
	ratio = 1;
	setCanvas(e) {
		e.className = "picture", this.body.prepend(e);
	}
	arrange(e, t) {
		let n = this.body.clientWidth < me, r = n ? "180px" : "232px", [i, a] = ["\"A C P\" \"A S P\"", `3fr 2fr ${r}`], o = t ? "ACSD" : "ACS";
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
	decorate(e, t, r) {
		for (let i of this.panes) {
			if (!this.isShown(i)) continue;
			let { plane: o } = i;
			n(o, e.isRadiological).forEach((e, t) => {
				i.letters[t].textContent = e;
			});
			let s = e.shape[o.normal];
			i.slider.max = String(s - 1), i.slider.value = String(t[o.normal]), i.count.textContent = `${t[o.normal] + 1} / ${s}`;
			let c = this.viewOf(i, e);
			i.marks.replaceChildren(...r(c));
			let [l, u] = a(c, e, t);
			i.cross.setAttribute("d", `M0 ${u}H${l - X}M${l + X} ${u}H${c.width}M${l} 0V${u - X}M${l} ${u + X}V${c.height}`);
		}
	}
}, ge = 32;
function Q() {
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
var _e = class {
	data;
	host;
	scene = Q();
	geometry = null;
	failed = /* @__PURE__ */ new Set();
	loads = {
		volume: null,
		mask: null,
		compared: null
	};
	constructor(e, t) {
		this.data = e, this.host = t;
	}
	update(e) {
		let t = this.data;
		this.data = e;
		let n = (e, t, n) => this.failed.has(e) && t !== n;
		if (e.apiBase !== t.apiBase || e.volumeId !== t.volumeId || n("volume", t.volumeTicket, e.volumeTicket)) {
			this.open();
			return;
		}
		let r = e.maskId !== t.maskId || n("mask", t.maskTicket, e.maskTicket), i = e.compareMaskId !== t.compareMaskId || n("compared", t.compareMaskTicket, e.compareMaskTicket);
		(r || i) && Promise.all([r && this.loadLabels("mask"), i && this.loadLabels("compared")]).then(() => this.finish());
	}
	close() {
		for (let e of Object.values(this.loads)) e?.abort();
	}
	isComplete() {
		return this.geometry !== null && this.scene.nSlices === this.geometry.shape[2];
	}
	valueOf(e) {
		let { low: t, full: n, nSlices: r, camera: i } = this.scene;
		return n && e[2] < r ? u(n, e) : t && u(t, s(i.shape, t.shape, e));
	}
	async open() {
		this.close();
		let e = this.loads.volume = new AbortController();
		this.scene = Q(), this.geometry = null, this.failed.clear(), this.host.onError("", null), this.host.onReady(""), this.host.onScene(), this.host.onStatus(E.loadingVolume);
		let t = null, n = () => t ??= Promise.all([this.loadLabels("mask"), this.loadLabels("compared")]);
		try {
			if (await ue(this.data, e.signal, {
				onGeometry: (t) => {
					e.signal.aborted || this.setGeometry(t);
				},
				onLow: async (t) => {
					this.scene.low = t, this.host.onScene(), await this.host.firstImage(), e.signal.aborted || n();
				},
				onSlices: (e, t) => this.addSlices(e, t)
			}), e.signal.aborted) return;
			await n(), e.signal.aborted || this.finish();
		} catch (t) {
			e.signal.aborted || this.fail("volume", E.volumeFailed, t);
		}
	}
	setGeometry(e) {
		this.geometry = e;
		let { shape: t, spacing: n } = e;
		Object.assign(this.scene.camera, {
			shape: t,
			spacing: n
		}), this.host.onGeometry(t);
	}
	addSlices(e, t) {
		let { scene: n } = this;
		n.full || (n.full = e, this.host.onScene());
		let r = n.nSlices, i = e.shape[2];
		t === r || t - r < ge && t < i || (n.nSlices = t, this.host.onSlices(r, t), this.failed.size || this.host.onStatus(E.loadingFull(t / i)));
	}
	async loadLabels(e) {
		this.loads[e]?.abort();
		let t = this.loads[e] = new AbortController(), { data: n } = this, [r, i] = e === "mask" ? [n.maskId, n.maskTicket] : [n.compareMaskId, n.compareMaskTicket];
		if (this.failed.delete(e), this.failed.size || this.host.onError("", null), this.setLabels(e, null), r && this.geometry) {
			this.isComplete() && this.host.onReady("low");
			try {
				let a = await de(n, r, i, this.geometry, t.signal, (e) => {
					this.isComplete() && !this.failed.size && this.host.onStatus(E.loadingMask(e));
				});
				t.signal.aborted || this.setLabels(e, a);
			} catch (n) {
				t.signal.aborted || this.fail(e, e === "mask" ? E.maskFailed : E.comparedFailed, n);
			}
		}
	}
	setLabels(e, t) {
		this.scene[e] = t, this.host.onLabels(e);
	}
	finish() {
		this.isComplete() && (this.failed.size || this.host.onStatus(""), this.host.onReady("full"));
	}
	fail(e, t, n) {
		this.failed.add(e), this.host.onError(t, n instanceof f ? n.message : E.unreachable);
	}
}, ve = ".sv{box-sizing:border-box;font:14px var(--st-font,sans-serif);color:var(--st-text-color,#222);flex-direction:column;gap:6px;display:flex;position:relative}.sv *,.sv :before{box-sizing:border-box}.sv [hidden]{display:none!important}.head{flex-wrap:wrap;align-items:center;gap:4px 10px;font-size:13px;display:flex}.badge{color:#fff;letter-spacing:.02em;white-space:nowrap;background:#b3470b;border-radius:4px;padding:2px 9px}.notice{flex:1;min-width:0;font-weight:600}.tools{flex-wrap:wrap;align-items:center;gap:4px 10px;font-size:13px;display:flex}.tools label{white-space:nowrap;align-items:center;gap:5px;display:flex}.tools input[type=number]{width:5em}.tools input[type=number],.tools select,.tools button,.help button{height:28px;font:inherit;color:inherit;background:var(--st-secondary-background-color,#f0f2f6);border:1px solid var(--st-border-color,#999);border-radius:4px;padding:2px 6px}.tools button{cursor:pointer;min-width:28px}.tools button[aria-pressed=true]{color:#fff;background:var(--st-primary-color,#1f6feb);border-color:#0000}.tools :is(select,button):disabled{opacity:.5}.tools input[type=range]{width:80px}input{accent-color:var(--st-primary-color,#1f6feb)}.body{border-radius:4px;flex:1;gap:4px;min-height:0;display:grid;position:relative}.picture{background:#000;border-radius:4px;width:100%;height:100%;display:block;position:absolute;inset:0}.pane{color:#e8e8e8;flex-direction:column;min-width:0;min-height:0;display:flex;position:relative;overflow:hidden}.surface{cursor:crosshair;touch-action:none;-webkit-user-select:none;user-select:none;flex:1;min-height:0;position:relative;overflow:hidden}.surface:focus-visible{outline:2px solid var(--st-primary-color,#1f6feb);outline-offset:-2px}.overlay{pointer-events:none;width:100%;height:100%;position:absolute;inset:0;overflow:hidden}.cross{stroke:#5adc78d9;stroke-width:1px;fill:none;shape-rendering:crispedges}.marks line{stroke:#ffd866;stroke-width:1.5px}.marks text{fill:#ffd866;paint-order:stroke;stroke:#000;stroke-width:3px;font-size:13px}.name,.letter{pointer-events:none;text-shadow:0 0 3px #000,0 0 3px #000;font-size:12px;position:absolute}.name{top:4px;left:6px}.letter{color:#ffd866;font-size:15px;font-weight:700;line-height:18px}.l0{top:calc(50% - 9px);left:6px}.l1{top:calc(50% - 9px);right:6px}.l2{top:3px;left:calc(50% - 5px)}.l3{bottom:2px;left:calc(50% - 5px)}.bar{background:#14161a;flex:none;align-items:center;gap:8px;height:22px;padding:0 6px;font-size:12px;display:flex}.bar input{flex:1;min-width:0;margin:0}.count{text-align:right;font-variant-numeric:tabular-nums;min-width:62px}.solid{background:#000}.solid-picture{cursor:grab;touch-action:none;width:100%;height:100%;position:absolute;inset:0}.solid .name{z-index:1}.message{margin:auto;padding:8px;font-size:13px}.legend{flex:none;grid-template-columns:repeat(auto-fit,minmax(120px,1fr));gap:1px;padding-bottom:4px;font-size:12px;display:grid}.choice{flex-wrap:wrap;grid-column:1/-1;gap:4px;padding-bottom:2px;display:flex}.choice>*{max-width:100%;height:26px;font:inherit;color:inherit;background:var(--st-secondary-background-color,#f0f2f6);border:1px solid var(--st-border-color,#999);border-radius:4px;padding:1px 6px;font-size:13px}.legend:empty{display:none}.legend span{align-items:center;gap:6px;display:flex}.legend i{border-radius:3px;flex:none;width:13px;height:13px}.side{background:var(--st-background-color,#fff);border:1px solid var(--st-border-color,#9995);border-radius:4px;flex-direction:column;gap:4px;min-width:0;min-height:0;padding:4px 8px;font-size:13px;display:flex;position:relative;overflow:hidden}.readout{white-space:pre-line;font-variant-numeric:tabular-nums;overflow-wrap:anywhere;flex:none;min-height:2.6em;line-height:1.3}.status:empty,.hint:empty{display:none}.status.error{color:var(--st-red-text-color,#c62828);font-weight:600}.hint{font-size:12px}.labels{flex:1;min-height:0;overflow-y:auto}.row{align-items:center;gap:6px;padding:1px 0;display:flex}.row input{flex:none;margin:0}.row i{border:1px solid #0005;border-radius:3px;flex:none;width:13px;height:13px}.row .text{min-width:0;font:inherit;color:inherit;text-align:left;cursor:pointer;overflow-wrap:anywhere;background:0 0;border:0;flex:1;padding:0}.row .text:hover{text-decoration:underline}.row .ml{font-variant-numeric:tabular-nums;white-space:nowrap}.none{opacity:.7}.help{z-index:5;background:var(--st-background-color,#fff);border:1px solid var(--st-border-color,#999);border-radius:6px;width:-moz-fit-content;width:fit-content;max-width:96%;max-height:calc(100% - 48px);margin:0 auto;padding:10px 16px;font-size:13px;position:absolute;inset:40px 0 auto;overflow:auto;box-shadow:0 4px 24px #0006}.help .columns{flex-wrap:wrap;align-items:flex-start;gap:8px 28px;display:flex}.help caption{text-align:left;padding-bottom:4px;font-weight:700}.help th{text-align:left;white-space:nowrap;vertical-align:top;padding:1px 14px 1px 0;font-weight:600}.help td{padding:1px 0}.help .close{cursor:pointer;margin-top:8px}", ye = 24, be = 360, xe = 600, Se = class {
	data;
	root = w("div", {
		class: "sv",
		"data-ready": ""
	});
	stage = new Z();
	state = g();
	store;
	onPointer = null;
	onDecorate = null;
	active = this.stage.panes[0];
	renderer = null;
	rendererReady = null;
	nLost = 0;
	solid = new pe(this.stage.solid);
	measuring = new B();
	colors = /* @__PURE__ */ new Uint32Array(65536);
	differences = null;
	nDifferences = 0;
	frame = 0;
	solidTimer = 0;
	notice = w("div", { class: "notice" });
	badge = w("strong", { class: "badge" }, E.unreviewed);
	readout = w("div", {
		class: "readout",
		"aria-live": "off"
	}, " ");
	status = w("div", {
		class: "status",
		role: "status"
	});
	hint = w("div", { class: "hint" });
	legend = w("div", { class: "legend" });
	labelList = w("div", { class: "labels" });
	controls;
	card = null;
	observer = new ResizeObserver(() => this.resize());
	onWindow = () => this.resize();
	constructor(e) {
		this.data = e, this.store = new _e(e, this), this.controls = new ae({
			setPreset: (e) => this.setPreset(e),
			setWindow: (e, t) => this.setWindow(e, t),
			set: (e) => this.set(e),
			run: (e) => {
				C(this, e, "");
			}
		}), this.stage.side.append(this.readout, this.status, this.hint, this.legend, this.labelList), this.root.append(w("style", {}, ve), w("div", { class: "head" }, this.badge, this.notice), this.controls.row, this.stage.body), re(this), N(this.root, (e, t) => C(this, e, t)), window.addEventListener("resize", this.onWindow), Object.assign(this.root, { segloop: se(this) }), this.showTexts(), this.store.open();
	}
	update(e) {
		this.data = e, this.showTexts(), this.store.update(e), this.draw();
	}
	attached() {
		let e = this.root.getRootNode(), t = e instanceof ShadowRoot ? e.host.closest(".stMainBlockContainer") : null;
		this.observer.disconnect();
		for (let e of [this.stage.body, t]) e && this.observer.observe(e);
		this.resize(), this.startRenderer();
	}
	destroy() {
		this.store.close(), this.observer.disconnect(), window.removeEventListener("resize", this.onWindow), this.renderer?.destroy(), this.renderer = null, this.solid.close(), this.root.remove();
	}
	onGeometry(e) {
		Object.assign(this.state, {
			cross: e.map((e) => Math.floor(e / 2)),
			zoom: 1,
			centre: [
				.5,
				.5,
				.5
			]
		}), this.measuring.clear(), this.solid.close();
	}
	onScene() {
		let e = this.renderer?.limit(this.store.scene.camera.shape);
		e ? this.fallBack(`${e} ${E.tooLarge}`) : (this.renderer?.setScene(this.store.scene), this.markReady(), this.draw());
	}
	async firstImage() {
		await this.startRenderer(), this.drawNow();
	}
	onSlices(e, t) {
		this.renderer?.addSlices(e, t), this.store.isComplete() && this.state.preset === "Whole range" && this.setPreset(m), this.markReady(), this.draw();
	}
	onLabels(e) {
		this.forgetDifferences();
		let t = this.store.scene[e];
		e === "mask" ? this.renderer?.setMask(t) : this.renderer?.setCompared(t), this.showState(), this.showSolid(), this.hover(null), this.draw();
	}
	onReady(e) {
		this.root.dataset.ready = e, this.hover(null), this.showSolid();
	}
	onStatus(e) {
		this.status.classList.remove("error"), this.status.textContent = e;
	}
	onError(e, t) {
		this.status.classList.toggle("error", t !== null), t === null ? delete this.root.dataset.error : (this.status.textContent = e + t, this.root.dataset.error = t);
	}
	markReady() {
		let { low: e, nSlices: t } = this.store.scene;
		this.renderer && (e || t) && (this.root.dataset.ready ||= "low");
	}
	startRenderer() {
		return this.rendererReady ??= le(this.stage, this.nLost).then(({ renderer: e, why: t }) => {
			this.hint.textContent = t, this.adopt(e);
		}), this.rendererReady;
	}
	adopt(e) {
		this.renderer = e, this.root.dataset.renderer = e.kind, e.setColors(this.colors), e.canvas.addEventListener("webglcontextlost", (t) => {
			t.preventDefault(), this.renderer === e && (this.nLost += 1, this.renderer = this.rendererReady = null, e.destroy(), setTimeout(() => void this.startRenderer(), 200));
		}), this.showState(), this.onScene();
	}
	fallBack(e) {
		this.renderer?.destroy(), this.hint.textContent = e, this.adopt(q(this.stage));
	}
	camera() {
		if (!this.store.geometry) return null;
		let { zoom: e, centre: t, isRadiological: n } = this.state;
		return Object.assign(this.store.scene.camera, {
			zoom: e,
			centre: t,
			isRadiological: n
		});
	}
	look() {
		let { cross: e, width: t, level: n, opacity: r, isMaskHidden: i, isOutline: a, isSmooth: o, comparing: s } = this.state, c = n - t / 2 - this.data.huOffset;
		return {
			cross: e,
			range: [c, c + t],
			opacity: i ? 0 : r,
			isOutline: a,
			isSmooth: o,
			isReviewed: this.data.isReviewed,
			colors: this.colors,
			comparing: s
		};
	}
	draw() {
		this.frame ||= requestAnimationFrame(() => {
			this.frame = 0, this.drawNow();
		});
	}
	drawNow() {
		let e = this.camera();
		if (e && this.root.isConnected && (this.stage.decorate(e, this.state.cross, (e) => [...this.measuring.marks(e, this.state.cross), ...this.onDecorate?.(e, this.state.cross) ?? []]), this.renderer)) try {
			this.renderer.draw(this.stage.width, this.stage.height, this.stage.tiles(e), this.look());
		} catch (e) {
			if (this.renderer.kind === "plain") throw e;
			console.error(e), this.fallBack(E.plain);
		}
	}
	resize() {
		this.root.isConnected && (this.root.style.height = `${this.data.height ?? this.roomBelow()}px`, this.stage.arrange(this.state.layout, this.state.is3d), this.solid.draw(), this.draw());
	}
	roomBelow() {
		let e = this.root.getBoundingClientRect().top, t = this.root.getRootNode(), n = t instanceof ShadowRoot ? t.host : this.root.parentElement;
		for (; n; n = n.parentElement) e += n.scrollTop;
		return Math.max(be, Math.floor(window.innerHeight - e - ye));
	}
	showSolid() {
		let { state: e, store: t, data: n } = this;
		!e.is3d && e.layout !== "3d" || this.renderer?.kind !== "webgl" || this.solid.show(n, t.scene, this.colors);
	}
	set(e) {
		Object.assign(this.state, e), ("layout" in e || "is3d" in e) && (this.stage.arrange(this.state.layout, this.state.is3d), this.showSolid()), this.showState(), this.draw();
	}
	setPreset(e) {
		let t = this.store.scene.full ?? this.store.scene.low, [n, r] = p[e] ?? [this.state.width, this.state.level];
		if (e === "Whole range" && t) {
			let [e, i] = V(t);
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
			preset: h
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
	measure(e, t, n) {
		this.measuring.drag(e, t, n, this.state.cross), this.draw();
	}
	toggleLarge(e) {
		this.set({ layout: this.state.layout === "all" ? e.plane.index : "all" });
	}
	toggleHelp() {
		this.card?.remove(), this.card = this.card ? null : P(() => this.toggleHelp()), this.card && this.root.append(this.card);
	}
	escape() {
		this.card ? this.toggleHelp() : (this.measuring.clear(), this.set({ mode: "cross" }));
	}
	moveTo(e) {
		this.store.geometry && (this.state.cross = _(e, this.store.geometry.shape), this.hover(null), this.draw());
	}
	jumpTo(e) {
		let { mask: t, compared: n } = this.store.scene, r = (t && A(t, e)) ?? (n && A(n, e));
		if (!r) return;
		let { shape: i } = this.store.scene.camera;
		this.moveTo(r), this.state.zoom > 1 && this.set({ centre: r.map((e, t) => (e + .5) / i[t]) });
	}
	nextDisagreement() {
		let { mask: e, compared: t } = this.store.scene;
		if (!e || !t) return;
		this.differences ??= oe(e, t, this.colors);
		let n = this.differences[this.nDifferences++ % this.differences.length];
		n ? this.moveTo(n) : this.onStatus(E.noDifference);
	}
	forgetDifferences() {
		this.differences = null, this.nDifferences = 0;
	}
	updateMask(e) {
		this.forgetDifferences(), this.renderer?.updateMask(e), this.hover(null), this.draw(), clearTimeout(this.solidTimer), this.solidTimer = window.setTimeout(() => {
			this.solid.maskChanged(), this.showSolid();
		}, xe);
	}
	voxelAt(e, t) {
		let [n, i] = [this.camera(), this.stage.panes[e]];
		return n && r(this.stage.viewOf(i, n), n, ...this.stage.pointIn(i, t), this.state.cross);
	}
	showTexts() {
		let { labels: e, notice: t, isReviewed: n, maskId: r, compareMaskId: i } = this.data;
		this.notice.textContent = t, this.badge.hidden = n || !r, F(this.legend, i ? [this.data.maskName, this.data.compareName] : null, {
			comparing: this.state.comparing,
			choose: (e) => this.set({ comparing: e }),
			next: () => this.nextDisagreement()
		}), R(this.labelList, e, {
			isHidden: (e) => this.state.hidden.has(e),
			setHidden: (e, t) => {
				t ? this.state.hidden.add(e) : this.state.hidden.delete(e), this.showColors();
			},
			jumpTo: (e) => this.jumpTo(e)
		}), this.showColors(), this.showState(), this.resize();
	}
	showColors() {
		this.forgetDifferences(), this.colors = te(this.data.labels, this.state.hidden), this.renderer?.setColors(this.colors), this.showSolid(), this.draw();
	}
	showState() {
		this.controls.show(this.state, this.store.scene.mask !== null, this.renderer?.kind === "plain");
	}
	nameAt(e, t) {
		let n = u(this.store.scene[e], t);
		return n === null ? "" : n ? this.data.labels.find(({ index: e }) => e === n)?.name ?? E.label(n) : E.noLabel;
	}
	hover(e) {
		let t = e ?? this.state.cross, n = this.store.geometry && this.store.valueOf(t);
		if (n === null) return;
		let [r, i] = [this.nameAt("mask", t), this.nameAt("compared", t)], a = i ? `${this.data.maskName}: ${r} · ${this.data.compareName}: ${i}` : r;
		this.readout.textContent = `${n + this.data.huOffset} ${this.data.unit}${a && ` · ${a}`}\nvoxel ${t.join(", ")}`;
	}
}, $ = /* @__PURE__ */ new Map(), Ce = 3;
function we({ data: e, parentElement: t }) {
	let n = $.get(e.instance);
	n ? (n.update(e), $.delete(e.instance)) : n = new Se(e), $.set(e.instance, n);
	for (let [e, t] of $) {
		if ($.size <= Ce) break;
		t.root.isConnected || t === n || (t.destroy(), $.delete(e));
	}
	let r = n;
	return r.root.parentNode !== t && t.append(r.root), r.attached(), () => {
		r.root.parentNode === t && r.root.remove();
	};
}
export { we as default };
