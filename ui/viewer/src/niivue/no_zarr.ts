// Stands in for NiiVue's zarr reader, which the viewer never uses: leaves 1.4 MB of codecs out of the bundle.
function refuse(): never {
  throw new Error('zarr is not supported here')
}

export const [open, root, get, slice, withConsolidated, tryWithConsolidated] = Array<typeof refuse>(6).fill(refuse)
export const registry = new Map()
export class FetchStore {}
