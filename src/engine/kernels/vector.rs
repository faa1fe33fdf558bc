//! What all kernels need to be fast: code compiled for wide vectors, sums in lanes, and an exponential that vectorises.

/// Lanes of partial sums: fixed, so that the bits of a sum do not depend on the CPU.
pub(super) const LANES: usize = 16;

/// Runs `work` compiled for AVX2 where the CPU has it.
///
/// Everything `work` calls must be `#[inline(always)]` to be compiled so. No operation is fused or reordered by that: the
/// bits are the same either way.
pub(super) fn widest(work: impl FnOnce()) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn with_avx2(work: impl FnOnce()) {
            work();
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the CPU has AVX2.
            unsafe { with_avx2(work) };
            return;
        }
    }
    work();
}

/// Sum of two functions of the elements of two slices of equal length, in lanes.
#[inline(always)]
pub(super) fn sum_pairs(a: &[f32], b: &[f32], terms: impl Fn(f32, f32) -> (f32, f32)) -> (f64, f64) {
    let (mut first, mut second) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    let (blocks_a, blocks_b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let (rest_a, rest_b) = (blocks_a.remainder(), blocks_b.remainder());
    for (block_a, block_b) in blocks_a.zip(blocks_b) {
        for lane in 0..LANES {
            let (p, q) = terms(block_a[lane], block_b[lane]);
            first[lane] += p;
            second[lane] += q;
        }
    }
    for (lane, (x, y)) in rest_a.iter().zip(rest_b).enumerate() {
        let (p, q) = terms(*x, *y);
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
    const POLYNOMIAL: [f32; 6] = [1.987_569_2e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5.000_000_1e-1];
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN_2.0 - n * LN_2.1;
    let p = POLYNOMIAL.iter().fold(0.0, |sum, &c| sum * r + c);
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    (p * r * r + r + 1.0) * power
}

#[cfg(test)]
mod tests {
    use super::{exp, sum_pairs};

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
            let (sum, squares) = sum_pairs(&a, &a, |x, y| (x, x * y));
            assert_eq!(sum, (n * (n + 1)) as f64 / 2.0);
            assert_eq!(squares, (n * (n + 1) * (2 * n + 1)) as f64 / 6.0);
        }
    }
}
