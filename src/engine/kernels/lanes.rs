//! Sixteen floats at a time, in the registers that the CPU at hand has: what convolutions and products of matrices are made of.

#[cfg(target_arch = "x86_64")]
use super::cpu::{self, Cpu};
use super::recycled::{Recycled, stocked};
use std::ops::{Deref, DerefMut};

/// Elements of a vector.
pub(super) const WIDTH: usize = 16;

/// Floats in memory where each [`WIDTH`]th begins a line of the cache: a vector that lies in two lines takes twice as long
/// to read.
#[derive(Debug)]
pub(super) struct Buffer {
    lines: Recycled<Line>,
    len: usize,
}

#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; WIDTH]);

stocked!(Line);

impl Buffer {
    /// So many zeros.
    pub(super) fn zeros(len: usize) -> Self {
        Buffer { lines: Recycled::filled(len.div_ceil(WIDTH), Line([0.0; WIDTH])), len }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: lines are made of floats and nothing else, and there are enough of them.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

/// [`WIDTH`] floats in one register or in several that are used as one.
///
/// Types for a kind of CPU are made by [`tiled`] alone, after it has found that kind: their methods would otherwise run
/// instructions that are not there.
pub(super) trait Vector: Copy {
    /// How many vectors can be held in registers at a time.
    const REGISTERS: usize;
    /// The same value in all lanes.
    fn all(value: f32) -> Self;
    /// The elements from `at` on.
    ///
    /// # Safety
    /// `at` points to as many elements.
    unsafe fn load(at: *const f32) -> Self;
    /// Writes the elements from `at` on.
    ///
    /// # Safety
    /// `at` points to room for as many elements.
    unsafe fn store(self, at: *mut f32);
    /// Writes the first `count` elements, all if there are no more, from `at` on.
    ///
    /// # Safety
    /// `at` points to room for as many elements.
    unsafe fn store_first(self, at: *mut f32, count: usize);
    /// `self + other`.
    fn plus(self, other: Self) -> Self;
    /// `self − other`.
    fn minus(self, other: Self) -> Self;
    /// `self · other`.
    fn times(self, other: Self) -> Self;
    /// `self + a·b`, rounded once, or twice in a vector of a CPU that cannot.
    fn plus_product(self, a: Self, b: Self) -> Self;
}

/// The elements of an array.
#[inline(always)]
pub(super) fn vector<V: Vector>(values: &[f32; WIDTH]) -> V {
    // SAFETY: the array has as many.
    unsafe { V::load(values.as_ptr()) }
}

/// A vector of an unknown CPU.
#[derive(Clone, Copy)]
struct Plain([f32; WIDTH]);

impl Vector for Plain {
    const REGISTERS: usize = if cfg!(target_arch = "aarch64") { 8 } else { 4 };

    #[inline(always)]
    fn all(value: f32) -> Self {
        Plain([value; WIDTH])
    }

    #[inline(always)]
    unsafe fn load(at: *const f32) -> Self {
        // SAFETY: the caller's promise.
        Plain(unsafe { at.cast::<[f32; WIDTH]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn store(self, at: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { at.cast::<[f32; WIDTH]>().write_unaligned(self.0) };
    }

    #[inline(always)]
    unsafe fn store_first(self, at: *mut f32, count: usize) {
        // SAFETY: the caller's promise.
        unsafe { std::ptr::copy_nonoverlapping(self.0.as_ptr(), at, count.min(WIDTH)) };
    }

    #[inline(always)]
    fn plus(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(sum, other)| *sum += other);
        self
    }

    #[inline(always)]
    fn minus(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(left, other)| *left -= other);
        self
    }

    #[inline(always)]
    fn times(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(product, other)| *product *= other);
        self
    }

    #[inline(always)]
    fn plus_product(mut self, a: Self, b: Self) -> Self {
        for ((sum, a), b) in self.0.iter_mut().zip(a.0).zip(b.0) {
            *sum = if cfg!(target_arch = "x86_64") { *sum + a * b } else { a.mul_add(b, *sum) };
        }
        self
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Vector, WIDTH};
    use std::arch::x86_64::{
        __m256, __m512, _mm256_add_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_maskstore_ps,
        _mm256_mul_ps, _mm256_set1_ps, _mm256_storeu_ps, _mm256_sub_ps, _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps,
        _mm512_mask_storeu_ps, _mm512_mul_ps, _mm512_set1_ps, _mm512_storeu_ps, _mm512_sub_ps,
    };

    /// A vector of a CPU with AVX2 and FMA.
    #[derive(Clone, Copy)]
    pub(super) struct Avx2([__m256; 2]);

    // SAFETY, of all that follows: values of these types are there only where the CPU has the instructions.
    impl Vector for Avx2 {
        const REGISTERS: usize = 8;

        #[inline(always)]
        fn all(value: f32) -> Self {
            unsafe { Avx2([_mm256_set1_ps(value); 2]) }
        }

        #[inline(always)]
        unsafe fn load(at: *const f32) -> Self {
            unsafe { Avx2([_mm256_loadu_ps(at), _mm256_loadu_ps(at.add(WIDTH / 2))]) }
        }

        #[inline(always)]
        unsafe fn store(self, at: *mut f32) {
            unsafe {
                _mm256_storeu_ps(at, self.0[0]);
                _mm256_storeu_ps(at.add(WIDTH / 2), self.0[1]);
            }
        }

        #[inline(always)]
        unsafe fn store_first(self, at: *mut f32, count: usize) {
            let lanes = |from: usize| {
                let lane = |i: usize| if from + i < count { -1 } else { 0 };
                std::array::from_fn::<i32, { WIDTH / 2 }, _>(lane)
            };
            unsafe {
                if count >= WIDTH {
                    return self.store(at);
                }
                for (half, register) in self.0.into_iter().enumerate() {
                    let mask = _mm256_loadu_si256(lanes(half * WIDTH / 2).as_ptr().cast());
                    _mm256_maskstore_ps(at.wrapping_add(half * WIDTH / 2), mask, register);
                }
            }
        }

        #[inline(always)]
        fn plus(self, other: Self) -> Self {
            unsafe { Avx2([_mm256_add_ps(self.0[0], other.0[0]), _mm256_add_ps(self.0[1], other.0[1])]) }
        }

        #[inline(always)]
        fn minus(self, other: Self) -> Self {
            unsafe { Avx2([_mm256_sub_ps(self.0[0], other.0[0]), _mm256_sub_ps(self.0[1], other.0[1])]) }
        }

        #[inline(always)]
        fn times(self, other: Self) -> Self {
            unsafe { Avx2([_mm256_mul_ps(self.0[0], other.0[0]), _mm256_mul_ps(self.0[1], other.0[1])]) }
        }

        #[inline(always)]
        fn plus_product(self, a: Self, b: Self) -> Self {
            unsafe { Avx2([_mm256_fmadd_ps(a.0[0], b.0[0], self.0[0]), _mm256_fmadd_ps(a.0[1], b.0[1], self.0[1])]) }
        }
    }

    /// A vector of a CPU with AVX-512.
    #[derive(Clone, Copy)]
    pub(super) struct Avx512(__m512);

    impl Vector for Avx512 {
        const REGISTERS: usize = 32;

        #[inline(always)]
        fn all(value: f32) -> Self {
            unsafe { Avx512(_mm512_set1_ps(value)) }
        }

        #[inline(always)]
        unsafe fn load(at: *const f32) -> Self {
            unsafe { Avx512(_mm512_loadu_ps(at)) }
        }

        #[inline(always)]
        unsafe fn store(self, at: *mut f32) {
            unsafe { _mm512_storeu_ps(at, self.0) };
        }

        #[inline(always)]
        unsafe fn store_first(self, at: *mut f32, count: usize) {
            let mask = if count >= WIDTH { u16::MAX } else { (1 << count) - 1 };
            unsafe { _mm512_mask_storeu_ps(at, mask, self.0) };
        }

        #[inline(always)]
        fn plus(self, other: Self) -> Self {
            unsafe { Avx512(_mm512_add_ps(self.0, other.0)) }
        }

        #[inline(always)]
        fn minus(self, other: Self) -> Self {
            unsafe { Avx512(_mm512_sub_ps(self.0, other.0)) }
        }

        #[inline(always)]
        fn times(self, other: Self) -> Self {
            unsafe { Avx512(_mm512_mul_ps(self.0, other.0)) }
        }

        #[inline(always)]
        fn plus_product(self, a: Self, b: Self) -> Self {
            unsafe { Avx512(_mm512_fmadd_ps(a.0, b.0, self.0)) }
        }
    }
}

/// Work made of many multiply-accumulate operations on tiles that stay in registers.
pub(super) trait TiledWork {
    /// Does it, `#[inline(always)]` as all that it calls.
    fn run<V: Vector>(self);
}

/// Does `work` compiled for the CPU at hand. Wherever the CPU fuses products into sums the bits are the same: tiles
/// decide which sums are made together, never the order within one.
pub(super) fn tiled<W: TiledWork>(work: W) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f")]
        fn with_avx512<W: TiledWork>(work: W) {
            work.run::<x86::Avx512>();
        }
        #[target_feature(enable = "avx2,fma")]
        fn with_avx2<W: TiledWork>(work: W) {
            work.run::<x86::Avx2>();
        }
        match cpu::at_hand() {
            // SAFETY: the CPU has these features.
            Cpu::Avx512 => return unsafe { with_avx512(work) },
            // SAFETY: the CPU has these features.
            Cpu::Avx2 => return unsafe { with_avx2(work) },
            Cpu::Baseline => {}
        }
    }
    work.run::<Plain>();
}
