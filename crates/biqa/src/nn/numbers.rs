//! How many numbers a network may hold. Looked at before any memory is taken, so that sizes out of a
//! model file or a recipe that nobody meant are an error and not the end of the machine.

/// 4.3 GB of float32, 1.7 times ViT-H.
const MOST: u128 = 1 << 30;
/// A layer takes memory beside its numbers, so that a billion layers of one number are too many.
pub const LAYER: usize = 4096;

/// Refuses a part of a network that would hold more numbers than fit; `terms` are products whose sum is
/// about what it holds.
pub fn check(part: &str, terms: &[&[usize]]) -> Result<(), String> {
    let product = |term: &&[usize]| term.iter().fold(1, |p: u128, &n| p.saturating_mul(n as u128));
    let sum = terms.iter().map(product).fold(0, u128::saturating_add);
    if sum <= MOST {
        return Ok(());
    }
    Err(format!(
        "{part} would hold more than {MOST} numbers, which no network here needs: lower its sizes"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::resnet::ResNetConfig;
    use crate::nn::vit::VitConfig;

    #[test]
    fn sums_of_products_are_bounded_without_overflow() {
        assert_eq!(check("x", &[&[1 << 15, 1 << 14], &[1 << 29]]), Ok(()));
        let why = check("the encoder", &[&[1 << 30], &[1]]).expect_err("one too many");
        assert!(why.starts_with("the encoder would hold more than 1073741824 numbers"), "{why}");
        assert!(check("x", &[&[usize::MAX; 9], &[usize::MAX; 9]]).is_err());
    }

    #[test]
    fn networks_that_no_memory_holds_are_refused() {
        let vit = VitConfig { num_heads: 1, ..VitConfig::default() };
        for (embed_dim, depth, image_size) in [
            (2_400_000_000, 12, 224),
            (usize::MAX - 1, 12, 224),
            (1, 2_000_000_000, 224),
            (384, 12, 1 << 40),
        ] {
            let why = VitConfig { image_size, embed_dim, depth, ..vit }.check();
            assert!(why.is_err_and(|why| why.starts_with("the encoder would hold")), "{embed_dim}");
        }
        let resnet = |layers: [usize; 4], width| ResNetConfig {
            layers: layers.into(),
            width,
            ..ResNetConfig::default()
        };
        assert_eq!(resnet([3, 8, 36, 3], 128).check(), Ok(()));
        for wide in [resnet([3, 4, 6, 3], 1_000_000), resnet([1, 1, 1, 1 << 40], 4)] {
            assert!(wide.check().is_err(), "{wide:?}");
        }
    }
}
