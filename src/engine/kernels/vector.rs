//! What all kernels need to be fast: code compiled for wide vectors, sums in lanes, and an exponential that vectorises.

/// Lanes of partial sums: fixed, so that the bits of a sum do not depend on the CPU.
pub(super) const LANES: usize = 16;

/// Work that is compiled for several kinds of CPU.
///
/// A trait in place of a closure or a function's name: only a method can be inlined by force where it is called.
pub(super) trait Work {
    /// Does it; `#[inline(always)]`, as all that it calls: what is not inlined is compiled for any CPU.
    fn run(self);
}

/// Does `work` compiled for AVX2 where the CPU has it. No operation is fused or reordered: the bits are the same either
/// way.
pub(super) fn widest<W: Work>(work: W) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn with_avx2<W: Work>(work: W) {
            work.run();
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the CPU has AVX2.
            unsafe { with_avx2(work) };
            return;
        }
    }
    work.run();
}

/// Elements of one register of the widest kind, or of several registers that are used as one.
pub(super) const WIDTH: usize = 16;

/// A vector of [`WIDTH`] elements. Plain arrays, which the compiler keeps in registers.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
pub(super) struct Lanes(pub(super) [f32; WIDTH]);

impl Lanes {
    /// The same value in all lanes.
    #[inline(always)]
    pub(super) fn all(value: f32) -> Self {
        Lanes([value; WIDTH])
    }

    /// The elements from `at` on.
    ///
    /// # Safety
    /// `at` points to as many elements.
    #[inline(always)]
    pub(super) unsafe fn load(at: *const f32) -> Self {
        // SAFETY: the caller's promise.
        Lanes(unsafe { at.cast::<[f32; WIDTH]>().read_unaligned() })
    }

    /// `self + a·b`, rounded once where `FUSED`.
    #[inline(always)]
    pub(super) fn plus_product<const FUSED: bool>(self, a: Lanes, b: Lanes) -> Self {
        Lanes(std::array::from_fn(|i| if FUSED { a.0[i].mul_add(b.0[i], self.0[i]) } else { self.0[i] + a.0[i] * b.0[i] }))
    }
}

/// Work made of many multiply-accumulate operations on tiles that stay in registers.
pub(super) trait TiledWork {
    /// Does it, `#[inline(always)]` as all that it calls, with products `FUSED` into sums, in tiles of `P` vectors.
    fn run<const FUSED: bool, const P: usize>(self);
}

/// Does `work` compiled for the CPU at hand. Wherever the CPU fuses products into sums the bits are the same: tiles
/// decide which sums are made together, never the order within one.
pub(super) fn tiled<W: TiledWork>(work: W) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma")]
        fn with_avx2<W: TiledWork>(work: W) {
            work.run::<true, 6>();
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the CPU has these features.
            return unsafe { with_avx2(work) };
        }
        work.run::<false, 2>();
    }
    #[cfg(not(target_arch = "x86_64"))]
    work.run::<true, 6>();
}

/// What is computed of two elements and of `K` numbers that a whole channel shares.
/// A trait for the same reason as [`Work`]: a loop with a call in it does not vectorise.
pub(super) trait PerElement<const K: usize> {
    /// The result.
    type Output;
    /// Computes it; `#[inline(always)]`.
    fn at(shared: [f32; K], a: f32, b: f32) -> Self::Output;
}

/// The two sums of what `T` makes of the elements of two slices of equal length, in lanes.
#[inline(always)]
pub(super) fn sum_pairs<T: PerElement<K, Output = (f32, f32)>, const K: usize>(
    shared: [f32; K],
    a: &[f32],
    b: &[f32],
) -> (f64, f64) {
    let (mut first, mut second) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    let (blocks_a, blocks_b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let (rest_a, rest_b) = (blocks_a.remainder(), blocks_b.remainder());
    for (block_a, block_b) in blocks_a.zip(blocks_b) {
        for lane in 0..LANES {
            let (p, q) = T::at(shared, block_a[lane], block_b[lane]);
            first[lane] += p;
            second[lane] += q;
        }
    }
    for (lane, (x, y)) in rest_a.iter().zip(rest_b).enumerate() {
        let (p, q) = T::at(shared, *x, *y);
        first[lane] += p;
        second[lane] += q;
    }
    let total = |lanes: [f32; LANES]| lanes.iter().map(|&v| f64::from(v)).sum();
    (total(first), total(second))
}

/// eˣ to about 1e-7 relative, with results below 1e-38 raised to that; NaN stays NaN (polynomial of Cephes' `expf`).
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    /// 1.5·2²³: adding it rounds to an integer and leaves that integer in the low bits.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts, the first exact in few bits.
    const LN_2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN_2.0 - n * LN_2.1;
    let p = ((((1.987_569_2e-4 * r + 1.398_2e-3) * r + 8.333_452e-3) * r + 4.166_579_6e-2) * r + 1.666_666_5e-1) * r + 0.5;
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    (p * r * r + r + 1.0) * power
}

#[cfg(test)]
mod tests {
    use super::{PerElement, exp, sum_pairs};

    /// x and x·y.
    struct Moments;

    impl PerElement<0> for Moments {
        type Output = (f32, f32);
        fn at(_: [f32; 0], a: f32, b: f32) -> (f32, f32) {
            (a, a * b)
        }
    }

    #[test]
    fn exp_is_exact_to_rounding() {
        for i in -8700..=8800 {
            let x = i as f32 / 100.0;
            let wanted = f64::from(x).exp();
            let error = (f64::from(exp(x)) - wanted).abs() / wanted;
            assert!(error < 2.5e-7, "exp({x}) is off by {error}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f32::NAN).is_nan());
        assert!(exp(f32::NEG_INFINITY) < 1e-37 && exp(f32::INFINITY) > 1e38);
    }

    #[test]
    fn sums_take_every_element() {
        for n in [0, 1, 15, 16, 17, 100] {
            let a: Vec<f32> = (1..=n).map(|i| i as f32).collect();
            let (sum, squares) = sum_pairs::<Moments, 0>([], &a, &a);
            assert_eq!(sum, (n * (n + 1)) as f64 / 2.0);
            assert_eq!(squares, (n * (n + 1) * (2 * n + 1)) as f64 / 6.0);
        }
    }
}
