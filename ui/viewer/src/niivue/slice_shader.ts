// The slice shader: full-resolution voxels from integer textures, window and labels applied per pixel.
//
// NiiVue gives the vertex shader, `texPos` (0..1 of the field of view) and `axCorSag`. Slices that have not arrived come
// from the small copy. The window is a uniform, so changing it uploads nothing; labels are integers up to 65535, looked
// up in a 256 x 256 table, so no index can wrap.

/** Texture units; NiiVue itself uses 0 to 15. */
export const UNITS = { low: 20, full: 21, mask: 22, compared: 23, colors: 24 } as const

export const SLICE_SHADER = `#version 300 es
precision highp int;
precision highp float;
precision highp isampler3D;
precision highp usampler3D;
uniform int axCorSag;
uniform isampler3D low;
uniform isampler3D full;
uniform usampler3D mask;
uniform usampler3D compared;
uniform sampler2D colors;
uniform float nSlices;
uniform vec2 range;
uniform float maskOpacity;
uniform float pixelRatio;
uniform int isUnsigned;
uniform int isSmooth;
uniform int hasMask;
uniform int hasCompared;
uniform int isOutline;
uniform int isReviewed;
in vec3 texPos;
out vec4 color;

float stored(isampler3D voxels, ivec3 at, ivec3 last) {
  int value = texelFetch(voxels, clamp(at, ivec3(0), last), 0).r;
  return float(isUnsigned == 1 && value < 0 ? value + 65536 : value);
}

// Linear within the slice only: two slices are never blended.
float sampled(isampler3D voxels) {
  ivec3 n = textureSize(voxels, 0);
  ivec3 at = ivec3(floor(texPos * vec3(n)));
  if (isSmooth == 0) return stored(voxels, at, n - 1);
  vec3 q = texPos * vec3(n) - 0.5;
  ivec3 base = ivec3(floor(q));
  vec3 part = q - floor(q);
  ivec3 du = axCorSag == 2 ? ivec3(0, 1, 0) : ivec3(1, 0, 0);
  ivec3 dv = axCorSag == 0 ? ivec3(0, 1, 0) : ivec3(0, 0, 1);
  vec2 f = axCorSag == 0 ? part.xy : axCorSag == 1 ? part.xz : part.yz;
  if (axCorSag == 0) base.z = at.z; else if (axCorSag == 1) base.y = at.y; else base.x = at.x;
  return mix(mix(stored(voxels, base, n - 1), stored(voxels, base + du, n - 1), f.x),
             mix(stored(voxels, base + dv, n - 1), stored(voxels, base + du + dv, n - 1), f.x), f.y);
}

vec4 colorOf(uint label) { return texelFetch(colors, ivec2(int(label & 255u), int(label >> 8u)), 0); }

// A label that is hidden counts as background.
uint shown(usampler3D labels, vec3 p) {
  ivec3 n = textureSize(labels, 0);
  uint label = texelFetch(labels, clamp(ivec3(floor(p * vec3(n))), ivec3(0), n - 1), 0).r;
  return colorOf(label).a > 0.0 ? label : 0u;
}

uint at(vec3 p) {
  uint first = shown(mask, p);
  if (hasCompared == 0) return first;
  uint second = shown(compared, p);
  return first == second ? (first > 0u ? 1u : 0u) : first > 0u ? (second > 0u ? 4u : 2u) : 3u;
}

vec3 paint(uint value) {
  if (hasCompared == 0) return colorOf(value).rgb;
  return value == 1u ? vec3(0.302, 0.702, 0.349) : value == 2u ? vec3(0.949, 0.549, 0.122)
    : value == 3u ? vec3(0.251, 0.502, 1.0) : vec3(0.851, 0.251, 0.851);
}

void main() {
  float last = float(textureSize(full, 0).z);
  float value = texPos.z * last < nSlices ? sampled(full) : sampled(low);
  color = vec4(vec3(clamp((value - range.x) / (range.y - range.x), 0.0, 1.0)), 1.0);
  if (hasMask == 0 || maskOpacity == 0.0) return;
  uint here = at(texPos);
  vec3 across = dFdx(texPos) * 1.5 * pixelRatio;
  vec3 up = dFdy(texPos) * 1.5 * pixelRatio;
  bool isEdge = here > 0u && (at(texPos - across) != here || at(texPos + across) != here
    || at(texPos - up) != here || at(texPos + up) != here);
  if (here == 0u) return;
  float amount = isOutline == 1 ? 0.0 : maskOpacity;
  if (isReviewed == 1 || hasCompared == 1) {
    if (isOutline == 1 && isEdge) amount = max(maskOpacity, 0.9);
  } else {
    // Nobody has vouched for this mask: hatched, with a dashed edge.
    bool isDash = mod(gl_FragCoord.x + gl_FragCoord.y, 9.0 * pixelRatio) < 5.5 * pixelRatio;
    bool isHatch = mod(gl_FragCoord.x - gl_FragCoord.y, 7.0 * pixelRatio) < 2.5 * pixelRatio;
    if (!isHatch) amount *= 0.45;
    if (isEdge) amount = isDash ? max(maskOpacity, 0.9) : amount;
  }
  color.rgb = mix(color.rgb, paint(here), amount);
}`
