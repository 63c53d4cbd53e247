import { n as e, r as t, t as n } from "./niivue-C8bNLsXY.js";
import { n as r, s as i } from "./renderer-CROy7xEi.js";
// src/niivue/slice_shader.ts
var a = {
	low: 20,
	full: 21,
	mask: 22,
	compared: 23,
	colors: 24
};
function o(e) {
	return Object.values(e).map(Number).join("");
}
var s = "\nfloat stored(isampler3D voxels, ivec3 at) {\n  int value = texelFetch(voxels, at, 0).r;\n#ifdef IS_UNSIGNED\n  if (value < 0) value += 65536;\n#endif\n  return float(value);\n}\n\n// Linear within the slice only: two slices are never blended.\nfloat sampled(isampler3D voxels) {\n  ivec3 n = textureSize(voxels, 0);\n  vec3 p = texPos * vec3(n);\n  ivec3 at = min(ivec3(p), n - 1);\n#ifdef IS_SMOOTH\n  vec3 q = p - 0.5;\n  vec3 base = floor(q);\n  vec3 part = q - base;\n  ivec3 a = max(ivec3(base), 0);\n  ivec3 b = min(ivec3(base) + 1, n - 1);\n#if PLANE == 0\n  return mix(mix(stored(voxels, ivec3(a.x, a.y, at.z)), stored(voxels, ivec3(b.x, a.y, at.z)), part.x),\n             mix(stored(voxels, ivec3(a.x, b.y, at.z)), stored(voxels, ivec3(b.x, b.y, at.z)), part.x), part.y);\n#elif PLANE == 1\n  return mix(mix(stored(voxels, ivec3(a.x, at.y, a.z)), stored(voxels, ivec3(b.x, at.y, a.z)), part.x),\n             mix(stored(voxels, ivec3(a.x, at.y, b.z)), stored(voxels, ivec3(b.x, at.y, b.z)), part.x), part.z);\n#else\n  return mix(mix(stored(voxels, ivec3(at.x, a.y, a.z)), stored(voxels, ivec3(at.x, b.y, a.z)), part.y),\n             mix(stored(voxels, ivec3(at.x, a.y, b.z)), stored(voxels, ivec3(at.x, b.y, b.z)), part.y), part.z);\n#endif\n#else\n  return stored(voxels, at);\n#endif\n}\n", c = "\nvec4 colorOf(uint label) { return texelFetch(colors, ivec2(int(label & 255u), int(label >> 8u)), 0); }\n\nuint labelAt(usampler3D labels, vec3 p) {\n  ivec3 n = textureSize(labels, 0);\n  return texelFetch(labels, clamp(ivec3(floor(p * vec3(n))), ivec3(0), n - 1), 0).r;\n}\n\n#ifdef HAS_COMPARED\n// 1 agreement, 2 only in the first, 3 only in the second, 4 another label; a hidden label counts as background.\nuint at(vec3 p) {\n  uint first = labelAt(mask, p);\n  uint second = labelAt(compared, p);\n  first = colorOf(first).a > 0.0 ? first : 0u;\n  second = colorOf(second).a > 0.0 ? second : 0u;\n  return first == second ? (first > 0u ? 1u : 0u) : first > 0u ? (second > 0u ? 4u : 2u) : 3u;\n}\n\nvec4 paint(uint value) {\n  if (value == 0u) return vec4(0.0);\n  return vec4(value == 1u ? vec3(0.302, 0.702, 0.349) : value == 2u ? vec3(0.949, 0.549, 0.122)\n    : value == 3u ? vec3(0.251, 0.502, 1.0) : vec3(0.851, 0.251, 0.851), 1.0);\n}\n#else\nuint at(vec3 p) { return labelAt(mask, p); }\nvec4 paint(uint value) { return colorOf(value); }\n#endif\n\nvoid overlay() {\n  uint here = at(texPos);\n  vec4 label = paint(here);\n  float amount = fill;\n#ifdef HAS_EDGES\n  vec3 across = dFdx(texPos) * 2.0 * pixelRatio;\n  vec3 up = dFdy(texPos) * 2.0 * pixelRatio;\n  bool isEdge = at(texPos - across) != here || at(texPos + across) != here\n    || at(texPos - up) != here || at(texPos + up) != here;\n  // Nobody has vouched for an unreviewed mask: hatched, with a dashed edge.\n  bool isDash = reviewed > 0.5 || mod(gl_FragCoord.x + gl_FragCoord.y, 9.0 * pixelRatio) < 5.5 * pixelRatio;\n  bool isHatch = reviewed > 0.5 || mod(gl_FragCoord.x - gl_FragCoord.y, 7.0 * pixelRatio) < 2.5 * pixelRatio;\n  amount = isEdge && isDash ? edge : isHatch ? fill : 0.45 * fill;\n#endif\n  color.rgb = mix(color.rgb, label.rgb, amount * label.a);\n}\n";
function l({ plane: e, ...t }) {
	return `#version 300 es
#define PLANE ${e}
${Object.entries(t).filter(([, e]) => e).map(([e]) => `#define ${e.replace(/[A-Z]/g, (e) => `_${e}`).toUpperCase()}`).join("\n")}
precision highp int;
precision highp float;
precision highp isampler3D;
precision highp usampler3D;
uniform isampler3D low;
uniform isampler3D full;
uniform usampler3D mask;
uniform usampler3D compared;
uniform sampler2D colors;
uniform float nSlices;
uniform vec2 range;
uniform float fill;
uniform float edge;
uniform float pixelRatio;
uniform float reviewed;
in vec3 texPos;
out vec4 color;
${s}
${t.hasMask ? c : ""}
void main() {
#ifdef IS_COMPLETE
  float value = sampled(full);
#else
  float value = texPos.z * float(textureSize(full, 0).z) < nSlices ? sampled(full) : sampled(low);
#endif
  color = vec4(vec3(clamp((value - range.x) / (range.y - range.x), 0.0, 1.0)), 1.0);
${t.hasMask ? "  overlay();" : ""}
}`;
}
// src/niivue/textures.ts
function u(e, t, n) {
	return n ? t instanceof Uint8Array ? {
		internal: e.R8UI,
		format: e.RED_INTEGER,
		type: e.UNSIGNED_BYTE
	} : {
		internal: e.R16UI,
		format: e.RED_INTEGER,
		type: e.UNSIGNED_SHORT
	} : {
		internal: e.R16I,
		format: e.RED_INTEGER,
		type: e.SHORT
	};
}
function d(e, t) {
	return t ? e instanceof Int16Array ? new Uint16Array(e.buffer) : e : e instanceof Uint16Array ? new Int16Array(e.buffer) : e instanceof Uint8Array ? Int16Array.from(e) : e;
}
var f = class {
	gl;
	unit;
	isLabels;
	texture = null;
	kind = null;
	grid = null;
	constructor(e, t, n) {
		this.gl = e, this.unit = t, this.isLabels = n, this.clear();
	}
	clear() {
		let e = this.isLabels ? /* @__PURE__ */ new Uint8Array(1) : /* @__PURE__ */ new Int16Array(1);
		this.allocate({
			shape: [
				1,
				1,
				1
			],
			affine: [],
			spacing: [
				1,
				1,
				1
			],
			voxels: e
		}), this.upload(0, 1);
	}
	allocate(e) {
		let { gl: t } = this;
		t.deleteTexture(this.texture), this.texture = t.createTexture(), this.grid = e, this.kind = u(t, e.voxels, this.isLabels), this.bind();
		for (let e of [t.TEXTURE_MIN_FILTER, t.TEXTURE_MAG_FILTER]) t.texParameteri(t.TEXTURE_3D, e, t.NEAREST);
		for (let e of [
			t.TEXTURE_WRAP_R,
			t.TEXTURE_WRAP_S,
			t.TEXTURE_WRAP_T
		]) t.texParameteri(t.TEXTURE_3D, e, t.CLAMP_TO_EDGE);
		t.texStorage3D(t.TEXTURE_3D, 1, this.kind.internal, ...e.shape);
	}
	upload(e, t) {
		let [n, r] = this.grid.shape;
		this.uploadBox({
			from: [
				0,
				0,
				e
			],
			to: [
				n - 1,
				r - 1,
				t - 1
			]
		});
	}
	uploadBox({ from: e, to: t }) {
		let { gl: n, kind: r, grid: i } = this;
		if (!r || !i) return;
		let a = d(i.voxels, this.isLabels);
		this.bind(), n.pixelStorei(n.UNPACK_ALIGNMENT, 1), n.pixelStorei(n.UNPACK_ROW_LENGTH, i.shape[0]), n.pixelStorei(n.UNPACK_IMAGE_HEIGHT, i.shape[1]), n.pixelStorei(n.UNPACK_SKIP_PIXELS, e[0]), n.pixelStorei(n.UNPACK_SKIP_ROWS, e[1]), n.pixelStorei(n.UNPACK_SKIP_IMAGES, e[2]), n.texSubImage3D(n.TEXTURE_3D, 0, ...e, t[0] - e[0] + 1, t[1] - e[1] + 1, t[2] - e[2] + 1, r.format, r.type, a);
		for (let e of [
			n.UNPACK_ROW_LENGTH,
			n.UNPACK_IMAGE_HEIGHT,
			n.UNPACK_SKIP_PIXELS,
			n.UNPACK_SKIP_ROWS,
			n.UNPACK_SKIP_IMAGES
		]) n.pixelStorei(e, 0);
		n.pixelStorei(n.UNPACK_ALIGNMENT, 4), n.activeTexture(n.TEXTURE0);
	}
	bind() {
		this.gl.activeTexture(this.gl.TEXTURE0 + this.unit), this.gl.bindTexture(this.gl.TEXTURE_3D, this.texture);
	}
}, p = {
	interactive: !1,
	isResizeCanvas: !1,
	dragAndDropEnabled: !1,
	isSliceMM: !0,
	crosshairWidth: 0,
	isRadiologicalConvention: !0,
	sagittalNoseLeft: !0,
	isOrientationTextVisible: !1,
	loadingText: "",
	backColor: [
		0,
		0,
		0,
		1
	],
	sliceType: t.MULTIPLANAR,
	logLevel: "error"
}, m = class extends e {
	tiles = [];
	prepare = () => null;
	current = null;
	depthMm = [
		1,
		1,
		1
	];
	isCompiling = !1;
	screenFieldOfViewExtendedMM(e = 0) {
		let t = (t) => t.view.plane.index === e, n = this.current && t(this.current) ? this.current : this.tiles.find(t), r = super.screenFieldOfViewExtendedMM(e);
		if (!n) return r;
		let { view: a } = n, o = [i(a, 0, a.height), i(a, a.width, 0)], [s, c] = a.isFlipped ? [o[1][0], o[0][0]] : [o[0][0], o[1][0]], l = [
			s,
			o[0][1],
			0
		], u = [
			c,
			o[1][1],
			this.depthMm[a.plane.normal]
		];
		for (let e = 0; e < 3; e++) r.mnMM[e] = l[e], r.mxMM[e] = u[e], r.fovMM[e] = u[e] - l[e];
		return r;
	}
	draw2D(e, t) {
		let n = e.map(Math.round), r = this.tiles.find(({ rect: e, view: r }) => r.plane.index === t && e[0] === n[0] && e[1] === n[1]), i = this.isCompiling || !r ? null : this.prepare(r);
		r && i && (this.current = r, this.customSliceShader = i, this.draw2DMain(n, t), this.current = null);
	}
	compile(e) {
		return this.isCompiling = !0, this.customSliceShader = null, this.setCustomSliceShader(e), this.isCompiling = !1, this.customSliceShader;
	}
	drawCrosshairs3D() {}
};
function h(e) {
	let t = e.camera.shape.map((t, n) => t * e.camera.spacing[n] / 2), r = [
		0,
		1,
		2
	].flatMap((e) => [
		0,
		1,
		2,
		3
	].map((n) => n === e ? t[e] : n === 3 ? t[e] / 2 : 0)), i = new n();
	i.hdr = n.createNiftiHeader([
		2,
		2,
		2
	], t, [
		...r,
		0,
		0,
		0,
		1
	], 4), i.hdr.sform_code = 1;
	let a = new Int16Array([
		0,
		1,
		0,
		1,
		0,
		1,
		0,
		1
	]).buffer;
	return i.init(a, "extent.nii", "gray", 1, null, 0, 1, !0, .02, !1, !1, "", 0, void 0, NaN, NaN, !0, null, 0, a), i;
}
var g = class e {
	canvas;
	planes;
	kind = "webgl";
	textures;
	colors;
	scene = null;
	shaders = /* @__PURE__ */ new Map();
	constructor(e, t) {
		this.canvas = e, this.planes = t;
		let { gl: n } = t;
		this.textures = {
			low: new f(n, a.low, !1),
			full: new f(n, a.full, !1),
			mask: new f(n, a.mask, !0),
			compared: new f(n, a.compared, !0)
		}, this.colors = n.createTexture();
	}
	static async create(t) {
		let n = new m(p);
		return await n.attachToCanvas(t, !1), new e(t, n);
	}
	limit(e) {
		let t = this.planes.gl.getParameter(this.planes.gl.MAX_3D_TEXTURE_SIZE);
		return Math.max(...e) > t ? `This browser's graphics take at most ${t} voxels along an axis.` : null;
	}
	setScene(e) {
		this.scene = e, e.low ? this.hold("low", e.low) : this.textures.low.clear(), e.full ? (this.textures.full.allocate(e.full), e.nSlices && this.textures.full.upload(0, e.nSlices)) : this.textures.full.clear(), this.setMask(e.mask), this.setCompared(e.compared), this.planes.depthMm = e.camera.shape.map((t, n) => t * e.camera.spacing[n]), this.planes.volumes = [], this.planes.addVolume(h(e));
	}
	addSlices(e, t) {
		this.textures.full.upload(e, t);
	}
	setMask(e) {
		this.hold("mask", e);
	}
	setCompared(e) {
		this.hold("compared", e);
	}
	updateMask(e) {
		this.textures.mask.uploadBox(e);
	}
	setColors(e) {
		let { gl: t } = this.planes;
		t.activeTexture(t.TEXTURE0 + a.colors), t.bindTexture(t.TEXTURE_2D, this.colors);
		for (let e of [t.TEXTURE_MIN_FILTER, t.TEXTURE_MAG_FILTER]) t.texParameteri(t.TEXTURE_2D, e, t.NEAREST);
		t.texImage2D(t.TEXTURE_2D, 0, t.RGBA8, 256, 256, 0, t.RGBA, t.UNSIGNED_BYTE, new Uint8Array(e.buffer));
	}
	draw(e, t, n, r) {
		let { planes: i, scene: a } = this;
		if (a && !i.gl.isContextLost()) {
			this.canvas.width !== e && (this.canvas.width = e), this.canvas.height !== t && (this.canvas.height = t);
			for (let e of n) this.shaderFor(this.featuresOf(a, e, r));
			i.prepare = (e) => this.prepare(a, e, r), i.tiles = n, i.opts.isRadiologicalConvention = a.camera.isRadiological, i.scene.crosshairPos = r.cross.map((e, t) => (e + .5) / a.camera.shape[t]), i.customLayout = n.map(({ rect: [n, r, i, a], view: o }) => ({
				sliceType: o.plane.index,
				position: [
					n / e,
					r / t,
					i / e,
					a / t
				]
			})), i.drawScene();
		}
	}
	destroy() {
		this.planes.cleanup(), this.planes.gl.getExtension("WEBGL_lose_context")?.loseContext(), this.canvas.remove();
	}
	hold(e, t) {
		let n = this.textures[e];
		t ? (n.allocate(t), n.upload(0, t.shape[2])) : n.clear();
	}
	shaderFor(e) {
		let { planes: t } = this, n = o(e), r = this.shaders.get(n);
		if (!r) {
			r = t.compile(l(e)), r.use(t.gl);
			for (let [e, n] of Object.entries(a)) t.gl.uniform1i(r.uniforms[e] ?? null, n);
			this.shaders.set(n, r);
		}
		return r;
	}
	featuresOf(e, t, n) {
		let { view: i, comparing: a } = t, o = e.mask !== null && n.opacity > 0, s = o && e.compared !== null && a === null && n.comparing === "difference", c = e.full ?? e.low;
		return {
			plane: i.plane.index,
			isComplete: e.nSlices === e.camera.shape[2],
			isSmooth: n.isSmooth,
			isUnsigned: c?.voxels instanceof Uint16Array,
			hasMask: o,
			hasCompared: s,
			hasEdges: o && (n.isOutline || !(s || r(t, n)))
		};
	}
	prepare(e, t, n) {
		let { gl: i } = this.planes, o = this.featuresOf(e, t, n), s = this.shaderFor(o);
		s.use(i);
		let c = (e, ...t) => {
			let n = s.uniforms[e];
			n && i[`uniform${t.length}fv`](n, t);
		}, l = e.compared !== null && (t.comparing ?? n.comparing) === "second";
		return s.uniforms.mask && i.uniform1i(s.uniforms.mask, l ? a.compared : a.mask), c("nSlices", e.nSlices), c("range", ...n.range), c("fill", n.isOutline ? 0 : n.opacity), c("edge", Math.max(n.opacity, .9)), c("pixelRatio", t.rect[2] / t.view.width), c("reviewed", o.hasCompared || r(t, n) ? 1 : 0), s;
	}
};
export { g as NiivuePlanes };
