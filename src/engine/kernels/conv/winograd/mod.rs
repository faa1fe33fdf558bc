//! Convolution with kernels of 3×3 and its gradients by minimal filtering, which takes 16 products for 4 outputs instead
//! of 36, or 36 for 16 instead of 144 (Winograd 1980; Lavin and Gray 2016, arXiv:1509.09308): tiles of the images are transformed, multiplied by the
//! transformed weights element by element, which for all tiles and channels is a product of matrices for each of a tile's
//! elements, and the products transformed back. The gradient of the weights is the transpose of that.

mod convolution;
mod tiles;
mod transform;
mod weights;

use self::convolution::Convolution;
use self::transform::{Four, Two};
use self::weights::WeightGradient;
use super::convolution::Direction;
use super::geometry::{Frame, Geometry};
use super::layer::{Convolve, Correlate};

/// Channels that a convolution must read, and have, for the transforms to be worth their while.
const CHANNELS: usize = 12;

/// Products for each channel that is read and each that is written, where results of this size are made of tiles with so
/// many rows and columns.
fn products(size: [usize; 2], tile: usize) -> usize {
    (tile + 2).pow(2) * size[0].div_ceil(tile) * size[1].div_ceil(tile)
}

/// Whether a convolution with an output of this size and its gradients are fewer operations this way.
pub(super) fn pays(g: &Geometry, output: [usize; 2]) -> bool {
    let plain = g.kernel == [3, 3] && g.stride == [1, 1] && g.dilation == [1, 1] && g.groups == 1;
    let wide = g.inputs.min(g.outputs) >= CHANNELS && g.pads.iter().all(|&p| p <= 1);
    let fewer = |size: [usize; 2]| 5 * products(size, 2) < 4 * 9 * size[0] * size[1];
    plain && wide && fewer(g.size) && fewer(output)
}

/// The convolution, for a geometry for which it [pays].
pub(super) fn convolution(g: &Geometry, output: [usize; 2], direction: Direction) -> Box<dyn Convolve> {
    let result = if direction == Direction::Forward { output } else { g.size };
    if products(result, 4) < products(result, 2) {
        Box::new(Convolution::<Four, 4, 6>::new(g, output, direction))
    } else {
        Box::new(Convolution::<Two, 2, 4>::new(g, output, direction))
    }
}

/// The gradient of its weights, from gradients of the output in the frame that the gradient of the input reads them from, so
/// many at a time, where that is made too. In tiles of two, which lose no more than the standard spelling does: those of four
/// lose more than three times as much.
pub(super) fn weight_gradient(g: &Geometry, output: [usize; 2], gradient: Option<(Frame, usize)>) -> Box<dyn Correlate> {
    Box::new(WeightGradient::<Two, 2, 4>::new(g, output, gradient))
}

#[cfg(test)]
mod tests {
    use super::{Direction, Geometry};
    use crate::engine::kernels::conv::convolution::Convolution;
    use crate::engine::kernels::conv::geometry::Frame;
    use crate::engine::kernels::conv::geometry::tests::{Sample, normal};
    use crate::engine::kernels::conv::layer::{Convolve, Correlate, Gradients, Layer};
    use crate::engine::kernels::conv::source::Source;
    use crate::engine::kernels::conv::weights::WeightGradient;
    use crate::engine::kernels::tests::rounding::error;

    /// Output and gradients, as made in these ways.
    fn made(
        sample: &Sample,
        [x, w, dy]: &[Vec<f32>; 3],
        [forward, adjoint]: [Box<dyn Convolve>; 2],
        weights: Box<dyn Correlate>,
    ) -> [Vec<f32>; 3] {
        let batch = sample.g.batch;
        let [mut y, mut dx, mut dw] = [sample.y_len(), sample.x_len(), sample.w_len()].map(|len| vec![0.0; len]);
        Layer::of(forward, batch).run(&Source::Plain(x), w, None, &mut y, |_| {});
        Layer::of(adjoint, batch).run(&Source::Plain(dy), w, None, &mut dx, |_| {});
        let (x, dy) = (Source::Plain(x), Source::Plain(dy));
        Gradients::of(weights, None, batch).run(&x, &dy, &[], &mut dw, &mut [], |_, _| {});
        [y, dx, dw]
    }

    #[test]
    fn errors_are_of_the_size_of_those_of_direct_sums() {
        for (size, channels) in [([14, 14], [32, 64]), ([32, 32], [16, 16]), ([7, 7], [64, 48]), ([6, 5], [32, 32])] {
            let (batch, [inputs, outputs]) = (16, channels);
            let (stride, dilation) = ([1, 1], [1, 1]);
            let g = Geometry { batch, size, inputs, outputs, kernel: [3, 3], stride, pads: [1; 4], dilation, groups: 1 };
            let sample = Sample { g: g.clone(), output: size };
            let mut given = [normal(sample.x_len(), 1), normal(sample.w_len(), 2), normal(sample.y_len(), 3)];
            given[0].iter_mut().for_each(|x| *x = x.max(0.0));
            let [mut y, mut dx, mut dw] = [sample.y_len(), sample.x_len(), sample.w_len()].map(|len| vec![0.0; len]);
            sample.each_product(|at, w_at, y_at| {
                let [x, w, dy] = [given[0][at], given[1][w_at], given[2][y_at]].map(f64::from);
                y[y_at] += x * w;
                dx[at] += dy * w;
                dw[w_at] += dy * x;
            });
            assert!(super::pays(&g, size), "{g:?}");
            let tiled = [Direction::Forward, Direction::Adjoint].map(|d| super::convolution(&g, size, d));
            let tiled = made(&sample, &given, tiled, super::weight_gradient(&g, size, None));
            let direct = [Direction::Forward, Direction::Adjoint];
            let direct = direct.map(|d| Box::new(Convolution::new(&g, size, d)) as Box<dyn Convolve>);
            let weights = WeightGradient::new(&g, size, Frame::bare(size, outputs), batch);
            let direct = made(&sample, &given, direct, Box::new(weights));
            for ((tiled, direct), (wanted, most)) in tiled.iter().zip(&direct).zip([(y, 3.0), (dx, 3.0), (dw, 2.5)]) {
                let (tiled, direct) = (error(tiled, &wanted), error(direct, &wanted));
                assert!(tiled < most * direct && tiled < 1e-6, "{g:?}: {tiled} and {direct}");
            }
        }
    }
}
