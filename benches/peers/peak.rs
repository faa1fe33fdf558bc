//! The most multiply-adds that a core does in a second: independent chains of them in registers, on its widest vectors.

use std::hint::black_box;
use std::time::Instant;

/// Chains at a time: enough for two units of five cycles' latency, few enough for sixteen registers.
const CHAINS: usize = 12;
/// Links of each chain in a sample.
const LINKS: usize = 200_000;
/// Samples, of which the best counts.
const SAMPLES: usize = 100;

/// The vectors that are measured.
pub fn vectors() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if std::is_x86_feature_detected!("avx512f") {
            return "AVX-512";
        }
        if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
            return "AVX2";
        }
    }
    "baseline"
}

/// Floating-point operations in a nanosecond, two for each multiply-add of float32.
pub fn gflops() -> f64 {
    let best = (0..SAMPLES).map(|_| sample()).fold(0.0, f64::max);
    best * 1e-9
}

/// Operations a second in one sample.
fn sample() -> f64 {
    let began = Instant::now();
    let lanes = match vectors() {
        // SAFETY: the processor has these vectors.
        #[cfg(target_arch = "x86_64")]
        "AVX-512" => unsafe { x86::avx512() },
        // SAFETY: likewise.
        #[cfg(target_arch = "x86_64")]
        "AVX2" => unsafe { x86::avx2() },
        _ => baseline(),
    };
    (2 * lanes * CHAINS * LINKS) as f64 / began.elapsed().as_secs_f64()
}

/// Runs all chains on vectors that every processor of this architecture has, and returns their lanes.
fn baseline() -> usize {
    const LANES: usize = 4;
    let (factor, summand) = (black_box(0.5_f32), black_box(1.0_f32));
    let mut sums = [[1.0_f32; LANES]; CHAINS];
    for _ in 0..LINKS {
        for sum in sums.as_flattened_mut() {
            // A fused product is a library call where the baseline has none.
            *sum = if cfg!(target_arch = "x86_64") { *sum * factor + summand } else { sum.mul_add(factor, summand) };
        }
    }
    black_box(sums);
    LANES
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{CHAINS, LINKS};
    use std::arch::x86_64::{_mm256_fmadd_ps, _mm256_set1_ps, _mm512_fmadd_ps, _mm512_set1_ps};
    use std::hint::black_box;

    /// Runs all chains and returns the lanes.
    #[target_feature(enable = "avx512f")]
    pub fn avx512() -> usize {
        let (factor, summand) = (black_box(_mm512_set1_ps(0.5)), black_box(_mm512_set1_ps(1.0)));
        let mut sums = [summand; CHAINS];
        for _ in 0..LINKS {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, factor, summand);
            }
        }
        black_box(sums);
        16
    }

    /// Likewise.
    #[target_feature(enable = "avx2,fma")]
    pub fn avx2() -> usize {
        let (factor, summand) = (black_box(_mm256_set1_ps(0.5)), black_box(_mm256_set1_ps(1.0)));
        let mut sums = [summand; CHAINS];
        for _ in 0..LINKS {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, factor, summand);
            }
        }
        black_box(sums);
        8
    }
}
