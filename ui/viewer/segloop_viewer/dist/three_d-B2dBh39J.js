import { n as e, r as t, t as n } from "./niivue-C8bNLsXY.js";
import { a as r } from "./grid-CRQ6iH4j.js";
// src/niivue/three_d.ts
var i = {
	interactive: !1,
	isResizeCanvas: !1,
	dragAndDropEnabled: !1,
	crosshairWidth: 0,
	show3Dcrosshair: !1,
	isOrientCube: !0,
	loadingText: "",
	backColor: [
		0,
		0,
		0,
		1
	],
	sliceType: t.RENDER,
	logLevel: "error"
}, a = 33991, o = 255;
function s(e, t, n) {
	let i = new Uint8Array(t[0] * t[1] * t[2]), [a, o, s] = [
		0,
		1,
		2
	].map((n) => Array.from({ length: t[n] }, (i, a) => r(t, e.shape, [
		a,
		a,
		a
	])[n])), c = 0;
	for (let t of s) for (let r of o) {
		let o = e.shape[0] * (r + e.shape[1] * t);
		for (let t of a) {
			let r = e.voxels[o + t];
			i[c++] = r ? n.get(r) ?? 0 : 0;
		}
	}
	return i;
}
function c(e, t) {
	let [r, i, a] = e.spacing, o = new n();
	o.hdr = n.createNiftiHeader(e.shape, e.spacing, [
		r,
		0,
		0,
		0,
		0,
		i,
		0,
		0,
		0,
		0,
		a,
		0,
		0,
		0,
		0,
		1
	], 4), o.hdr.sform_code = 1;
	let s = Int16Array.from(e.voxels).buffer;
	return o.init(s, "volume.nii", "gray", 1, null, ...t, !0, .02, !1, !1, "", 0, void 0, NaN, NaN, !0, null, 0, s), o;
}
var l = class t {
	host;
	canvas = document.createElement("canvas");
	niivue = new e(i);
	grid = null;
	isTurning = !1;
	frame = 0;
	constructor(e) {
		this.host = e, this.canvas.className = "solid-picture", e.append(this.canvas);
	}
	static async create(e) {
		let n = new t(e);
		return await n.niivue.attachToCanvas(n.canvas, !1), n.bind(), n;
	}
	setVolume(e, t) {
		this.grid = e, this.niivue.volumes = [], this.niivue.addVolume(c(e, t)), this.niivue.volumes[0].opacity = 1;
	}
	setMask(e, t, n) {
		let { grid: r, niivue: i } = this;
		if (!r) return;
		let c = t.slice(0, o), l = new Map(c.map(({ index: e }, t) => [e, t + 1])), u = e ? s(e, r.shape, l) : new Uint8Array(r.voxels.length), d = /* @__PURE__ */ new Uint8ClampedArray(1024), f = new Uint8Array(n.buffer);
		c.forEach(({ index: e }, t) => d.set(f.subarray(e * 4, e * 4 + 4), (t + 1) * 4));
		let { gl: p } = i;
		i.drawBitmap = u, i.drawTexture = i.r8Tex(i.drawTexture, a, [3, ...r.shape], !1), p.pixelStorei(p.UNPACK_ALIGNMENT, 1), p.texSubImage3D(p.TEXTURE_3D, 0, 0, 0, 0, ...r.shape, p.RED, p.UNSIGNED_BYTE, u), i.drawLut = {
			lut: d,
			labels: []
		}, i.drawOpacity = 1, i.refreshColormaps(), this.draw();
	}
	draw() {
		this.frame ||= requestAnimationFrame(() => {
			this.frame = 0;
			let e = (window.devicePixelRatio || 1) * (this.isTurning ? .5 : 1), [t, n] = [this.host.clientWidth, this.host.clientHeight].map((t) => Math.round(t * e));
			t && n && this.grid && (this.canvas.width = t, this.canvas.height = n, this.niivue.drawScene());
		});
	}
	destroy() {
		cancelAnimationFrame(this.frame), this.niivue.cleanup(), this.niivue.gl.getExtension("WEBGL_lose_context")?.loseContext(), this.canvas.remove();
	}
	bind() {
		let { canvas: e, niivue: t } = this;
		e.addEventListener("pointerdown", (t) => {
			e.setPointerCapture(t.pointerId), this.isTurning = !0;
		}), e.addEventListener("pointermove", (e) => {
			if (!this.isTurning) return;
			let { scene: n } = t;
			n.renderAzimuth = (n.renderAzimuth - e.movementX * .6 + 360) % 360, n.renderElevation = Math.max(-90, Math.min(90, n.renderElevation + e.movementY * .6)), this.draw();
		});
		let n = () => {
			this.isTurning = !1, this.draw();
		};
		e.addEventListener("pointerup", n), e.addEventListener("pointercancel", n), e.addEventListener("wheel", (e) => {
			e.preventDefault();
			let { scene: n } = t;
			n.volScaleMultiplier = Math.max(.5, Math.min(6, n.volScaleMultiplier * Math.exp(-e.deltaY / 600))), this.draw();
		}, { passive: !1 });
	}
};
export { l as Solid };
