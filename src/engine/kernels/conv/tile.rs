//! Products of gathered elements with weights, in tiles that stay in registers.

use crate::engine::kernels::vector::{Lanes, WIDTH};

/// Sums for `P` pixels and one vector of channels: `start` plus x[pixel + source]·w[source] over all sources. Weights stand
/// source after source, a vector each.
///
/// # Safety
/// `x` points to elements at each pixel's offset plus each source's, `w` to a vector for each source.
#[inline(always)]
pub(super) unsafe fn gathered<const FUSED: bool, const P: usize>(
    x: *const f32,
    pixels: &[usize; P],
    sources: &[usize],
    w: *const f32,
    start: Lanes,
) -> [Lanes; P] {
    let mut sums = [start; P];
    let mut w = w;
    for &source in sources {
        // SAFETY: the caller's promise.
        unsafe {
            let x = x.wrapping_add(source);
            let weights = Lanes::load(w);
            for p in 0..P {
                sums[p] = sums[p].plus_product::<FUSED>(Lanes::all(*x.wrapping_add(pixels[p])), weights);
            }
            w = w.wrapping_add(WIDTH);
        }
    }
    sums
}

/// Sums for `M` sources and one vector of channels: x[pixel + source]·d[pixel] over all pixels. The vector of pixel i
/// stands at `d + i·stride`.
///
/// # Safety
/// `x` points to elements at each pixel's offset plus each source's, `d` to a vector for each pixel.
#[inline(always)]
pub(super) unsafe fn correlated<const FUSED: bool, const M: usize>(
    x: *const f32,
    pixels: &[usize],
    sources: &[usize; M],
    d: *const f32,
    stride: usize,
) -> [Lanes; M] {
    let mut sums = [Lanes::all(0.0); M];
    let mut d = d;
    for &pixel in pixels {
        // SAFETY: the caller's promise.
        unsafe {
            let x = x.wrapping_add(pixel);
            let gradient = Lanes::load(d);
            for m in 0..M {
                sums[m] = sums[m].plus_product::<FUSED>(Lanes::all(*x.wrapping_add(sources[m])), gradient);
            }
            d = d.wrapping_add(stride);
        }
    }
    sums
}
