//! CPython's `random.shuffle`, to repeat lists of others (`papers/protocol.md`, section 2).
//!
//! Mersenne Twister 19937 (Matsumoto and Nishimura 1998), seeded by `init_by_array` as CPython
//! seeds it. Nothing of biqa's own draws from it.

/// Words of the state.
const N: usize = 624;
/// How far the recurrence reaches ahead.
const M: usize = 397;

/// The generator behind Python's `random.Random(seed)`.
#[derive(Debug, Clone)]
struct Twister {
    state: [u32; N],
    next: usize,
}

impl Twister {
    /// Seeded by the 32-bit words of the absolute seed, lowest first.
    fn new(seed: i128) -> Twister {
        let mut rest = seed.unsigned_abs();
        let mut key = vec![rest as u32];
        rest >>= 32;
        while rest > 0 {
            key.push(rest as u32);
            rest >>= 32;
        }

        let mut state = [0_u32; N];
        state[0] = 19_650_218;
        for i in 1..N {
            state[i] = mixed(&state, i, 1_812_433_253).wrapping_add(i as u32);
        }
        let (mut i, mut j) = (1, 0);
        for _ in 0..N.max(key.len()) {
            state[i] = (state[i] ^ mixed(&state, i, 1_664_525))
                .wrapping_add(key[j])
                .wrapping_add(j as u32);
            i = advance(&mut state, i);
            j = (j + 1) % key.len();
        }
        for _ in 1..N {
            state[i] = (state[i] ^ mixed(&state, i, 1_566_083_941)).wrapping_sub(i as u32);
            i = advance(&mut state, i);
        }
        state[0] = 0x8000_0000;
        Twister { state, next: N }
    }

    /// The next 32 bits.
    fn word(&mut self) -> u32 {
        if self.next == N {
            for k in 0..N {
                let y = (self.state[k] & 0x8000_0000) | (self.state[(k + 1) % N] & 0x7fff_ffff);
                let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[k] = self.state[(k + M) % N] ^ (y >> 1) ^ odd;
            }
            self.next = 0;
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// A number below `n`, by drawing as many bits as `n` has until they are below it. `n` is at
    /// least 1 and below 2^32.
    fn below(&mut self, n: u32) -> u32 {
        let spare = n.leading_zeros();
        loop {
            let drawn = self.word() >> spare;
            if drawn < n {
                return drawn;
            }
        }
    }
}

/// `factor (s ^ s >> 30)` of the word before.
fn mixed(state: &[u32; N], i: usize, factor: u32) -> u32 {
    let before = state[i - 1];
    (before ^ (before >> 30)).wrapping_mul(factor)
}

/// The place after `i`; behind the end comes 1, and place 0 takes the last word.
fn advance(state: &mut [u32; N], i: usize) -> usize {
    if i + 1 == N {
        state[0] = state[N - 1];
        1
    } else {
        i + 1
    }
}

/// What `rounds` calls of Python's `random.shuffle` make of `list(range(n))`, one generator for
/// all, each round on the list that the round before left. `n` is below 2^32.
pub fn python_orders(seed: i128, n: usize, rounds: usize) -> Vec<Vec<usize>> {
    let mut generator = Twister::new(seed);
    let mut order: Vec<usize> = (0..n).collect();
    (0..rounds)
        .map(|_| {
            for i in (1..n).rev() {
                let j = generator.below(i as u32 + 1) as usize;
                order.swap(i, j);
            }
            order.clone()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words<const K: usize>(seed: i128) -> [u32; K] {
        let mut generator = Twister::new(seed);
        std::array::from_fn(|_| generator.word())
    }

    #[test]
    fn the_first_words_are_those_of_the_specification() {
        assert_eq!(words(123), [224_899_942, 1_149_664_691, 374_463_918]);
        assert_eq!(words(12_345), [1_789_368_711, 3_146_859_322, 43_676_229, 3_522_623_596]);
        assert_eq!(words::<5>(-123), words::<5>(123));
        assert_ne!(words::<5>(1 << 32), words::<5>(0)); // a second word of the key counts
    }

    #[test]
    fn shuffles_are_those_of_the_specification() {
        let live = [
            15, 11, 16, 6, 4, 7, 9, 0, 25, 22, 20, 23, 5, 14, 26, 21, 18, 10, 19, 17, 12, 28, 3,
            27, 13, 24, 2, 8, 1,
        ];
        assert_eq!(python_orders(123, 29, 1), [live]);
        assert_eq!(python_orders(12_345, 10, 1), [[8, 7, 3, 5, 1, 2, 9, 4, 0, 6]]);
        let kadid = [30, 19, 28, 69, 75, 41, 36, 59, 63, 67, 27, 71];
        assert_eq!(python_orders(12_345, 81, 1)[0][..12], kadid);
        let kadid = [72, 27, 24, 42, 63, 60, 19, 75, 80, 21, 43, 56];
        assert_eq!(python_orders(24_690, 81, 1)[0][..12], kadid);
    }

    #[test]
    fn a_later_round_shuffles_what_the_one_before_left() {
        let orders = python_orders(5, 7, 3);
        assert_eq!(orders[..2], python_orders(5, 7, 2));
        assert_ne!(orders[0], orders[1]);
    }

    #[test]
    fn nothing_and_one_need_no_draw() {
        assert_eq!(python_orders(0, 0, 1), [Vec::<usize>::new()]);
        assert_eq!(python_orders(0, 1, 2), [[0], [0]]);
    }
}
