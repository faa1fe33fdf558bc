//! What all kernels need to be fast: code compiled for wide vectors, sums in lanes, and an exponential that vectorises.

#[cfg(target_arch = "x86_64")]
use super::cpu::{self, Cpu};

/// Lanes of partial sums: fixed, so that the bits of a sum do not depend on the CPU.
pub(super) const LANES: usize = 16;

/// Work that is compiled for several kinds of CPU.
///
/// A trait in place of a closure or a function's name: only a method can be inlined by force where it is called.
pub(super) trait Work {
    /// Does it; `#[inline(always)]`, as all that it calls: what is not inlined is compiled for any CPU.
    fn run(self);
}

/// Does `work` compiled for the CPU at hand. No operation is fused or reordered: the bits are the same on each.
pub(super) fn widest<W: Work>(work: W) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
        fn with_avx512<W: Work>(work: W) {
            work.run();
        }
        #[target_feature(enable = "avx2")]
        fn with_avx2<W: Work>(work: W) {
            work.run();
        }
        match cpu::at_hand() {
            // SAFETY: the CPU has these features.
            Cpu::Avx512 => return unsafe { with_avx512(work) },
            // SAFETY: the CPU has this feature.
            Cpu::Avx2 => return unsafe { with_avx2(work) },
            Cpu::Baseline => {}
        }
    }
    work.run();
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

/// eˣ to about 1e-7 relative, and zero where that is below e⁻⁵⁰; NaN stays NaN (polynomial of Cephes' `expf`). What is
/// smaller would become denormal in the products that follow, which takes a hundred times as long.
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
    let value = (p * r * r + r + 1.0) * power;
    if x < -50.0 { 0.0 } else { value }
}

/// ln x of a normal number to about 1e-7; NaN stays NaN (polynomial of Cephes' `logf`). The same on each system, unlike that
/// of its library.
#[inline(always)]
pub(super) fn ln(x: f32) -> f32 {
    /// Bits of √½: the mantissa is brought to between that and √2.
    const ROOT_HALF: u32 = 0x3f35_04f3;
    /// Of the powers of the mantissa less one, from the tenth down to the third.
    const POLYNOMIAL: [f32; 9] = [
        7.037_683_6e-2,
        -1.151_461e-1,
        1.167_699_9e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_5e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ];
    /// ln 2 in two parts, the first exact in few bits.
    const LN_2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);
    let bits = x.to_bits().wrapping_sub(ROOT_HALF);
    let exponent = (bits.cast_signed() >> 23) as f32;
    let m = f32::from_bits((bits & 0x007f_ffff) + ROOT_HALF) - 1.0;
    let p = POLYNOMIAL.into_iter().fold(0.0, |p, factor| p * m + factor);
    let square = m * m;
    let small = p * m * square + exponent * LN_2.1 - 0.5 * square;
    let value = m + small + exponent * LN_2.0;
    if x.is_nan() { x } else { value }
}

#[cfg(test)]
mod tests {
    use super::{PerElement, exp, ln, sum_pairs};

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
        for i in -5000..=8800 {
            let x = i as f32 / 100.0;
            let wanted = f64::from(x).exp();
            let error = (f64::from(exp(x)) - wanted).abs() / wanted;
            assert!(error < 2.5e-7, "exp({x}) is off by {error}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f32::NAN).is_nan());
        assert!(exp(f32::NEG_INFINITY) == 0.0 && exp(-50.1) == 0.0 && exp(f32::INFINITY) > 1e38);
    }

    #[test]
    fn ln_is_exact_to_rounding() {
        for i in 1..=200_000 {
            let x = i as f32 / 100.0;
            let wanted = f64::from(x).ln();
            let error = (f64::from(ln(x)) - wanted).abs() / wanted.abs().max(1.0);
            assert!(error < 1.5e-7, "ln {x} is off by {error}");
        }
        assert_eq!((ln(1.0), ln(f32::MIN_POSITIVE), ln(1e30)), (0.0, f32::MIN_POSITIVE.ln(), 1e30_f32.ln()));
        assert!(ln(f32::NAN).is_nan());
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
