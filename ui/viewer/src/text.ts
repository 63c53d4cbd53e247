// Everything the viewer says, in one place.

export const TEXT = {
  unreviewed: 'AI - NOT REVIEWED',
  radiological: 'Radiological (R left)',
  neurological: 'Neurological (R right)',
  loadingVolume: 'Loading the volume ...',
  loadingFull: (part: number) => `Loading full resolution: ${Math.floor(part * 100)} %`,
  loadingMask: (part: number) => `Loading the mask: ${Math.floor(part * 100)} %`,
  volumeFailed: 'The volume could not be loaded. ',
  maskFailed: 'The mask could not be loaded. ',
  comparedFailed: 'The mask to compare with could not be loaded. ',
  unreachable: 'The server could not be reached.',
  plain: "This browser can't use its graphics hardware (WebGL2), so slices are drawn plainly: slower, no outline, no 3D. "
    + 'Another browser, or hardware acceleration switched on, gives the full view.',
  tooLarge: 'Slices are drawn plainly: slower, no outline, no 3D. ',
  loadingSolid: 'Loading the 3D view ...',
  noSolid: 'The 3D view could not be made.',
  agreement: 'both agree',
  onlyIn: (name: string) => `only ${name}`,
  difference: 'Difference',
  comparing: 'Shown mask',
  nextDifference: 'Next difference',
  noDifference: 'The two masks do not differ.',
  otherLabel: 'another label',
  noLabels: 'No labels',
  noLabel: 'no label',
  label: (index: number) => `label ${index}`,
}
