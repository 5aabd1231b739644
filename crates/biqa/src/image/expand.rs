//! Small samples and palettes: indices and values of 1, 2 and 4 bits to bytes
//! (papers/images.md, section 1, step 5). Used by PNG, GIF, TIFF and BMP.

/// Splits `packed` (high bits first) into one byte a sample, as many as `out` has. `bits` is 1, 2,
/// 4 or 8; the caller has made sure that `packed` is long enough.
pub(super) fn unpack(packed: &[u8], bits: u8, out: &mut [u8]) {
    if bits == 8 {
        let n = out.len();
        out.copy_from_slice(&packed[..n]);
        return;
    }
    let mask = (1u8 << bits) - 1;
    let per_byte = usize::from(8 / bits);
    for (out, &byte) in out.chunks_mut(per_byte).zip(packed) {
        for (i, out) in out.iter_mut().enumerate() {
            *out = byte >> (8 - bits * (i as u8 + 1)) & mask;
        }
    }
}

/// A sample of `bits` (at most 8) at full scale: `v * 255 / (2^b - 1)`, exact for 1, 2, 4 and 8.
pub(super) fn widen(v: u8, bits: u8) -> u8 {
    let max = (1u32 << bits) - 1;
    ((u32::from(v) * 255 + max / 2) / max) as u8
}

/// A palette with opacity.
#[derive(Clone, Debug)]
pub(super) struct Palette {
    colors: Vec<[u8; 4]>,
    has_alpha: bool,
}

impl Palette {
    pub(super) fn opaque(colors: impl Iterator<Item = [u8; 3]>) -> Self {
        let colors = colors.map(|[r, g, b]| [r, g, b, 255]).collect();
        Self { colors, has_alpha: false }
    }

    /// Opacities of the first entries; the rest stays opaque.
    pub(super) fn with_alpha(mut self, alpha: &[u8]) -> Self {
        self.has_alpha = true;
        for (color, &a) in self.colors.iter_mut().zip(alpha) {
            color[3] = a;
        }
        self
    }

    pub(super) fn has_alpha(&self) -> bool {
        self.has_alpha
    }

    /// 3, or 4 with alpha.
    pub(super) fn channels(&self) -> usize {
        if self.has_alpha { 4 } else { 3 }
    }

    /// The colour of an index; an index beyond the palette is opaque black, as in browsers.
    pub(super) fn color(&self, index: u8) -> [u8; 4] {
        self.colors.get(usize::from(index)).copied().unwrap_or([0, 0, 0, 255])
    }

    /// Writes [`Self::channels`] bytes for every index.
    pub(super) fn expand(&self, indices: &[u8], out: &mut [u8]) {
        let channels = self.channels();
        for (out, &index) in out.chunks_exact_mut(channels).zip(indices) {
            out.copy_from_slice(&self.color(index)[..channels]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_samples_come_high_bits_first() {
        let mut out = [0; 3];
        unpack(&[0b1010_0000], 1, &mut out);
        assert_eq!(out, [1, 0, 1]);
        unpack(&[0x1B], 2, &mut out);
        assert_eq!(out, [0, 1, 2]);
        unpack(&[0x1B, 0x70], 4, &mut out);
        assert_eq!(out, [1, 11, 7]);
    }

    #[test]
    fn full_scale_is_255() {
        assert_eq!(
            [widen(1, 1), widen(2, 2), widen(7, 4), widen(31, 5), widen(63, 6)],
            [255, 170, 119, 255, 255]
        );
    }
}
