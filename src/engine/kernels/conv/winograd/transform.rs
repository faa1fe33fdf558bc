//! The linear maps of minimal filtering, on tiles of vectors.

use crate::engine::kernels::lanes::Vector;
use std::fmt::Debug;

/// A linear map of `I` numbers to `O`: a matrix, spelled out.
pub(super) trait Map<const I: usize, const O: usize> {
    /// The image of `x`; `#[inline(always)]`.
    fn of<V: Vector>(x: [V; I]) -> [V; O];
}

/// F(M×M, 3×3): M by M outputs of a kernel of 3 by 3 from P by P inputs with P·P products, P = M + 2. In one dimension
/// y = Aᵀ[(G·g) ⊙ (Bᵀ·d)] for a kernel g and data d; in two, each map is applied to columns and rows.
pub(super) trait Scheme<const M: usize, const P: usize>: Debug + Send + 'static {
    /// Bᵀ.
    type Data: Map<P, P>;
    /// G.
    type Kernel: Map<3, P>;
    /// Aᵀ.
    type Output: Map<P, M>;
}

/// A scheme whose transpose gives gradients of the weights.
pub(super) trait Transpose<const M: usize, const P: usize>: Scheme<M, P> {
    /// Gᵀ.
    type KernelGradient: Map<P, 3>;
    /// A.
    type OutputGradient: Map<M, P>;
}

/// Applies the map to rows and columns.
#[inline(always)]
pub(super) fn both_ways<T: Map<I, O>, V: Vector, const I: usize, const O: usize>(x: [[V; I]; I]) -> [[V; O]; O] {
    let mut rows = [[V::all(0.0); O]; I];
    for (row, x) in rows.iter_mut().zip(x) {
        *row = T::of(x);
    }
    let mut made = [[V::all(0.0); O]; O];
    for o in 0..O {
        let mut column = [V::all(0.0); I];
        for (element, row) in column.iter_mut().zip(&rows) {
            *element = row[o];
        }
        for (row, element) in made.iter_mut().zip(T::of(column)) {
            row[o] = element;
        }
    }
    made
}

/// F(2×2, 3×3), from the points 0, 1, −1 and ∞ (Lavin and Gray 2016, arXiv:1509.09308).
#[derive(Debug)]
pub(super) struct Two;

impl Scheme<2, 4> for Two {
    type Data = Data2;
    type Kernel = Kernel2;
    type Output = Output2;
}

impl Transpose<2, 4> for Two {
    type KernelGradient = KernelGradient2;
    type OutputGradient = OutputGradient2;
}

pub(super) struct Data2;

impl Map<4, 4> for Data2 {
    #[inline(always)]
    fn of<V: Vector>([a, b, c, d]: [V; 4]) -> [V; 4] {
        [a.minus(c), b.plus(c), c.minus(b), b.minus(d)]
    }
}

pub(super) struct Kernel2;

impl Map<3, 4> for Kernel2 {
    #[inline(always)]
    fn of<V: Vector>([a, b, c]: [V; 3]) -> [V; 4] {
        let half = V::all(0.5);
        let (ends, middle) = (a.plus(c).times(half), b.times(half));
        [a, ends.plus(middle), ends.minus(middle), c]
    }
}

pub(super) struct KernelGradient2;

impl Map<4, 3> for KernelGradient2 {
    #[inline(always)]
    fn of<V: Vector>([a, b, c, d]: [V; 4]) -> [V; 3] {
        let half = V::all(0.5);
        let ends = b.plus(c).times(half);
        [a.plus(ends), b.minus(c).times(half), ends.plus(d)]
    }
}

pub(super) struct Output2;

impl Map<4, 2> for Output2 {
    #[inline(always)]
    fn of<V: Vector>([a, b, c, d]: [V; 4]) -> [V; 2] {
        [a.plus(b).plus(c), b.minus(c).minus(d)]
    }
}

pub(super) struct OutputGradient2;

impl Map<2, 4> for OutputGradient2 {
    #[inline(always)]
    fn of<V: Vector>([a, b]: [V; 2]) -> [V; 4] {
        [a, a.plus(b), a.minus(b), V::all(0.0).minus(b)]
    }
}

/// F(4×4, 3×3), from the points 0, ±√½, ±√2 and ∞, from which sums lose the least of those that were tried.
#[derive(Debug)]
pub(super) struct Four;

impl Scheme<4, 6> for Four {
    type Data = Data4;
    type Kernel = Kernel4;
    type Output = Output4;
}

const ROOT: f32 = std::f32::consts::SQRT_2;
const ROOT_OF_HALF: f32 = std::f32::consts::FRAC_1_SQRT_2;

pub(super) struct Data4;

impl Map<6, 6> for Data4 {
    #[inline(always)]
    fn of<V: Vector>([a, b, c, d, e, f]: [V; 6]) -> [V; 6] {
        let [less_two, less_half, less_both] = [V::all(-2.0), V::all(-0.5), V::all(-2.5)];
        let (near_even, near_odd) = (e.plus_product(less_two, c), d.plus_product(less_two, b).times(V::all(ROOT_OF_HALF)));
        let (far_even, far_odd) = (e.plus_product(less_half, c), d.plus_product(less_half, b).times(V::all(ROOT)));
        [
            a.plus(e).plus_product(less_both, c),
            near_even.plus(near_odd),
            near_even.minus(near_odd),
            far_even.plus(far_odd),
            far_even.minus(far_odd),
            b.plus(f).plus_product(less_both, d),
        ]
    }
}

pub(super) struct Kernel4;

impl Map<3, 6> for Kernel4 {
    #[inline(always)]
    fn of<V: Vector>([a, b, c]: [V; 3]) -> [V; 6] {
        let [third, sixth, less_third] = [V::all(1.0 / 3.0), V::all(1.0 / 6.0), V::all(-1.0 / 3.0)];
        let near_even = a.times(V::all(-2.0 / 3.0)).plus_product(less_third, c);
        let near_odd = b.times(V::all(-2.0 / 3.0 * ROOT_OF_HALF));
        let (far_even, far_odd) = (a.times(sixth).plus_product(third, c), b.times(V::all(ROOT / 6.0)));
        [a, near_even.plus(near_odd), near_even.minus(near_odd), far_even.plus(far_odd), far_even.minus(far_odd), c]
    }
}

pub(super) struct Output4;

impl Map<6, 4> for Output4 {
    #[inline(always)]
    fn of<V: Vector>([a, b, c, d, e, f]: [V; 6]) -> [V; 4] {
        let (near_even, near_odd, far_even, far_odd) = (b.plus(c), b.minus(c), d.plus(e), d.minus(e));
        [
            a.plus(near_even).plus(far_even),
            near_odd.times(V::all(ROOT_OF_HALF)).plus_product(V::all(ROOT), far_odd),
            near_even.times(V::all(0.5)).plus_product(V::all(2.0), far_even),
            f.plus_product(V::all(0.5 * ROOT_OF_HALF), near_odd).plus_product(V::all(2.0 * ROOT), far_odd),
        ]
    }
}
