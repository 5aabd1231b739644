//! The one thing we want of an EXIF block: the orientation (papers/images.md, section 2).

/// Tag 0x0112 of IFD0.
const ORIENTATION: u16 = 0x0112;

/// The orientation, 1 to 8, of an EXIF block with or without its `Exif\0\0` prefix; 1 where the
/// block is broken or says nothing valid.
pub(super) fn orientation(block: &[u8]) -> u8 {
    let tiff = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
    find(tiff).unwrap_or(1)
}

fn find(tiff: &[u8]) -> Option<u8> {
    let little = match tiff.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let u16_at = |at: usize| -> Option<u16> {
        let bytes: [u8; 2] = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let u32_at = |at: usize| -> Option<u32> {
        let bytes: [u8; 4] = tiff.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    };

    let ifd = u32_at(4)? as usize;
    let entries = usize::from(u16_at(ifd)?);
    for entry in (0..entries).map(|i| ifd + 2 + 12 * i) {
        if u16_at(entry)? != ORIENTATION {
            continue;
        }
        let value = match (u16_at(entry + 2)?, u32_at(entry + 4)?) {
            (3, 1) => u32::from(u16_at(entry + 8)?), // SHORT
            (4, 1) => u32_at(entry + 8)?,            // LONG
            _ => return None,
        };
        return valid(value);
    }
    None
}

/// 1 to 8, or nothing.
pub(super) fn valid(value: u32) -> Option<u8> {
    u8::try_from(value).ok().filter(|v| (1..=8).contains(v))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(little: bool, kind: u16, value: u32) -> Vec<u8> {
        let n16 = |v: u16| if little { v.to_le_bytes() } else { v.to_be_bytes() };
        let n32 = |v: u32| if little { v.to_le_bytes() } else { v.to_be_bytes() };
        let mut out = if little { b"II*\0".to_vec() } else { b"MM\0*".to_vec() };
        out.extend(n32(8));
        out.extend(n16(1));
        out.extend(n16(ORIENTATION));
        out.extend(n16(kind));
        out.extend(n32(1));
        if kind == 3 {
            out.extend(n16(value as u16));
            out.extend([0, 0]);
        } else {
            out.extend(n32(value));
        }
        out.extend(n32(0));
        out
    }

    #[test]
    fn short_and_long_are_read_in_both_byte_orders() {
        for little in [true, false] {
            for kind in [3, 4] {
                assert_eq!(orientation(&block(little, kind, 6)), 6, "{little} {kind}");
                let prefixed = [b"Exif\0\0".as_slice(), &block(little, kind, 8)].concat();
                assert_eq!(orientation(&prefixed), 8, "{little} {kind}");
            }
        }
    }

    #[test]
    fn what_is_not_valid_is_upright() {
        for value in [0, 9, 0xFFFF, 0x0106] {
            assert_eq!(orientation(&block(true, 4, value)), 1, "{value}");
        }
        let whole = block(false, 3, 6);
        for cut in 0..18 {
            assert_eq!(orientation(&whole[..cut]), 1, "cut at {cut}");
        }
        assert_eq!(orientation(&block(true, 2, 6)), 1, "ASCII");
    }

    #[test]
    fn an_offset_at_the_end_of_the_address_space_is_harmless() {
        assert_eq!(orientation(b"II*\0\xFF\xFF\xFF\xFF"), 1);
    }
}
