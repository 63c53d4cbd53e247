// The slice shader: full-resolution voxels from integer textures, window and labels applied per pixel.
//
// NiiVue gives the vertex shader and `texPos` (0..1 of the field of view). Slices that have not arrived come
// from the small copy. The window is a uniform, so changing it uploads nothing; labels are integers up to 65535, looked
// up in a 256 x 256 table, so no index can wrap.

/** Texture units; NiiVue itself uses 0 to 15. */
export const UNITS = { low: 20, full: 21, mask: 22, compared: 23, colors: 24 } as const

/**
 * What a frame needs. Each set is a program of its own: a software renderer runs every branch of a shader for every
 * pixel, so what isn't needed must not be in it.
 */
export interface Features {
  plane: number
  isComplete: boolean // all slices have arrived
  isSmooth: boolean
  isUnsigned: boolean
  hasMask: boolean
  hasEdges: boolean
  hasCompared: boolean
}

export function featureKey(features: Features): string {
  return Object.values(features).map(Number).join('')
}

const VALUE = `
float stored(isampler3D voxels, ivec3 at) {
  int value = texelFetch(voxels, at, 0).r;
#ifdef IS_UNSIGNED
  if (value < 0) value += 65536;
#endif
  return float(value);
}

// Linear within the slice only: two slices are never blended.
float sampled(isampler3D voxels) {
  ivec3 n = textureSize(voxels, 0);
  vec3 p = texPos * vec3(n);
  ivec3 at = min(ivec3(p), n - 1);
#ifdef IS_SMOOTH
  vec3 q = p - 0.5;
  vec3 base = floor(q);
  vec3 part = q - base;
  ivec3 a = max(ivec3(base), 0);
  ivec3 b = min(ivec3(base) + 1, n - 1);
#if PLANE == 0
  return mix(mix(stored(voxels, ivec3(a.x, a.y, at.z)), stored(voxels, ivec3(b.x, a.y, at.z)), part.x),
             mix(stored(voxels, ivec3(a.x, b.y, at.z)), stored(voxels, ivec3(b.x, b.y, at.z)), part.x), part.y);
#elif PLANE == 1
  return mix(mix(stored(voxels, ivec3(a.x, at.y, a.z)), stored(voxels, ivec3(b.x, at.y, a.z)), part.x),
             mix(stored(voxels, ivec3(a.x, at.y, b.z)), stored(voxels, ivec3(b.x, at.y, b.z)), part.x), part.z);
#else
  return mix(mix(stored(voxels, ivec3(at.x, a.y, a.z)), stored(voxels, ivec3(at.x, b.y, a.z)), part.y),
             mix(stored(voxels, ivec3(at.x, a.y, b.z)), stored(voxels, ivec3(at.x, b.y, b.z)), part.y), part.z);
#endif
#else
  return stored(voxels, at);
#endif
}
`

const LABELS = `
vec4 colorOf(uint label) { return texelFetch(colors, ivec2(int(label & 255u), int(label >> 8u)), 0); }

uint labelAt(usampler3D labels, vec3 p) {
  ivec3 n = textureSize(labels, 0);
  return texelFetch(labels, clamp(ivec3(floor(p * vec3(n))), ivec3(0), n - 1), 0).r;
}

#ifdef HAS_COMPARED
// 1 agreement, 2 only in the first, 3 only in the second, 4 another label; a hidden label counts as background.
uint at(vec3 p) {
  uint first = labelAt(mask, p);
  uint second = labelAt(compared, p);
  first = colorOf(first).a > 0.0 ? first : 0u;
  second = colorOf(second).a > 0.0 ? second : 0u;
  return first == second ? (first > 0u ? 1u : 0u) : first > 0u ? (second > 0u ? 4u : 2u) : 3u;
}

vec4 paint(uint value) {
  if (value == 0u) return vec4(0.0);
  return vec4(value == 1u ? vec3(0.302, 0.702, 0.349) : value == 2u ? vec3(0.949, 0.549, 0.122)
    : value == 3u ? vec3(0.251, 0.502, 1.0) : vec3(0.851, 0.251, 0.851), 1.0);
}
#else
uint at(vec3 p) { return labelAt(mask, p); }
vec4 paint(uint value) { return colorOf(value); }
#endif

void overlay() {
  uint here = at(texPos);
  vec4 label = paint(here);
  float amount = fill;
#ifdef HAS_EDGES
  vec3 across = dFdx(texPos) * 2.0 * pixelRatio;
  vec3 up = dFdy(texPos) * 2.0 * pixelRatio;
  bool isEdge = at(texPos - across) != here || at(texPos + across) != here
    || at(texPos - up) != here || at(texPos + up) != here;
  // Nobody has vouched for an unreviewed mask: hatched, with a dashed edge.
  bool isDash = reviewed > 0.5 || mod(gl_FragCoord.x + gl_FragCoord.y, 9.0 * pixelRatio) < 5.5 * pixelRatio;
  bool isHatch = reviewed > 0.5 || mod(gl_FragCoord.x - gl_FragCoord.y, 7.0 * pixelRatio) < 2.5 * pixelRatio;
  amount = isEdge && isDash ? edge : isHatch ? fill : 0.45 * fill;
#endif
  color.rgb = mix(color.rgb, label.rgb, amount * label.a);
}
`

/** The fragment shader with just these features. */
export function sliceShader({ plane, ...features }: Features): string {
  const defines = Object.entries(features).filter(([, isOn]) => isOn)
    .map(([name]) => `#define ${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`)
  return `#version 300 es
#define PLANE ${plane}
${defines.join('\n')}
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
${VALUE}
${features.hasMask ? LABELS : ''}
void main() {
#ifdef IS_COMPLETE
  float value = sampled(full);
#else
  float value = texPos.z * float(textureSize(full, 0).z) < nSlices ? sampled(full) : sampled(low);
#endif
  color = vec4(vec3(clamp((value - range.x) / (range.y - range.x), 0.0, 1.0)), 1.0);
${features.hasMask ? '  overlay();' : ''}
}`
}
