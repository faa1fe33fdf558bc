//! Gradient of a convolution with respect to its weights: correlations of the input with the output's gradient.

use super::geometry::{Frame, Gather, Geometry};
use super::layer::Correlate;
use crate::engine::kernels::lanes::{Buffer, TiledWork, Vector, WIDTH, tiled};
use crate::engine::kernels::tile::{Channels, Dense, Depthwise, Vectors, in_tiles, rows, tile};

/// Most pixels that are worked on at a time: what all tiles read of them stays in the first cache.
const PIXELS: usize = 128;

/// The weight gradient of a convolution of one geometry, block of images by block of images.
#[derive(Debug)]
pub(super) struct WeightGradient {
    geometry: Geometry,
    gather: Gather,
    /// Offset from the pixel of each weight's input: kernel element by kernel element, the group's channels in each.
    sources: Vec<usize>,
    /// For each pixel of a block of images where it stands among the images, and among their gradients.
    steps: Vec<[usize; 2]>,
    /// The frame of the gradients.
    gradient: Frame,
    /// Channels of each group of the output, rounded up to whole vectors.
    padded: usize,
    /// For each group and source the sums of its channels.
    sums: Buffer,
}

impl WeightGradient {
    /// The gradient, from gradients of the output in a frame, on at most so many images at a time; its extents have been
    /// checked.
    pub(super) fn new(g: &Geometry, output: [usize; 2], gradient: Frame, images: usize) -> Self {
        let gather = Gather::forward(g, output, images);
        let ([inputs, outputs], groups) = (g.group(), g.blocks());
        let sources: Vec<usize> = gather.phases[0].taps.iter().flat_map(|&(_, at)| at..at + inputs).collect();
        let pixels = gather.phases[0].pixels.iter().zip(gradient.pixels(gather.images));
        let steps = pixels.map(|(&x, dy)| [x, dy]).collect();
        let padded = outputs.next_multiple_of(WIDTH);
        let sums = Buffer::zeros(groups * sources.len() * padded);
        WeightGradient { geometry: g.clone(), gather, sources, steps, gradient, padded, sums }
    }
}

impl Correlate for WeightGradient {
    fn frames(&self) -> [Frame; 2] {
        [self.gather.frame, self.gradient]
    }

    fn images(&self) -> usize {
        self.gather.images
    }

    fn reads_beyond(&self) -> [bool; 2] {
        let [_, outputs] = self.geometry.group();
        [self.geometry.is_depthwise(), true].map(|vectors| vectors && !outputs.is_multiple_of(WIDTH))
    }

    fn clear(&mut self) {
        self.sums.fill(0.0);
    }

    fn block(&mut self, x: &[f32], dy: &[f32], images: usize) {
        for ((framed, frame), beyond) in [x, dy].into_iter().zip(self.frames()).zip(self.reads_beyond()) {
            let needed = images * frame.image() + if beyond { WIDTH } else { 0 };
            assert!(images <= self.gather.images && framed.len() >= needed);
        }
        tiled(Block { gradient: self, x, dy, images });
    }

    fn finish(&self, dw: &mut [f32]) {
        let g = &self.geometry;
        let ([inputs, outputs], area) = (g.group(), g.kernel[0] * g.kernel[1]);
        let groups =
            dw.chunks_exact_mut(outputs * inputs * area).zip(self.sums.chunks_exact(self.sources.len() * self.padded));
        for (dw, sums) in groups {
            for (o, dw) in dw.chunks_exact_mut(inputs * area).enumerate() {
                for (i, dw) in dw.chunks_exact_mut(area).enumerate() {
                    let column = sums[i * self.padded + o..].iter().step_by(inputs * self.padded);
                    dw.iter_mut().zip(column).for_each(|(dw, sum)| *dw = *sum);
                }
            }
        }
    }
}

struct Block<'a> {
    gradient: &'a mut WeightGradient,
    x: &'a [f32],
    dy: &'a [f32],
    images: usize,
}

impl TiledWork for Block<'_> {
    #[inline(always)]
    fn run<V: Vector>(self) {
        let Block { gradient: WeightGradient { geometry, gather, sources, steps, padded, sums, .. }, x, dy, images } = self;
        let [inputs, outputs] = geometry.group();
        let count = images * gather.result_pixels;
        for steps in steps[..count].chunks(count.div_ceil(count.div_ceil(PIXELS))) {
            for (group, sums) in sums.chunks_exact_mut(sources.len() * *padded).enumerate() {
                let (x, dy) = (x[group * inputs..].as_ptr(), dy[group * outputs..].as_ptr());
                let sweep = Sweep { x, dy, steps, sources, sums, padded: *padded };
                if geometry.is_depthwise() {
                    in_tiles::<V, _>(*padded / WIDTH, &mut Depthwise(sweep));
                } else {
                    in_tiles::<V, _>(*padded / WIDTH, &mut Dense(sweep));
                }
            }
        }
    }
}

/// The sums of a group over some pixels.
struct Sweep<'a> {
    x: *const f32,
    dy: *const f32,
    steps: &'a [[usize; 2]],
    sources: &'a [usize],
    sums: &'a mut [f32],
    padded: usize,
}

impl Channels for Sweep<'_> {
    const FEW_STEPS: bool = true;

    #[inline(always)]
    fn vectors<V: Vector, const OWN: bool, const ROWS: usize, const N: usize>(&mut self, first: usize) {
        let channels = first * WIDTH..(first + N) * WIDTH;
        assert!(channels.end <= self.padded);
        let gradient = Vectors { first: self.dy.wrapping_add(channels.start), apart: WIDTH };
        let x = self.x.wrapping_add(if OWN { channels.start } else { 0 });
        for (sources, sums) in self.sources.chunks(ROWS).zip(self.sums.chunks_mut(ROWS * self.padded)) {
            // SAFETY: `Gather::check` found all offsets in the frame, and `Frame::pixels` gives those of the gradient's;
            // `WeightGradient::block` found room for vectors that reach beyond a pixel's channels.
            let made = unsafe { tile::<V, OWN, ROWS, N>(x, rows(sources), self.steps, gradient, [V::all(0.0); N]) };
            for (sums, made) in sums.chunks_exact_mut(self.padded).zip(made) {
                for (sums, made) in sums[channels.clone()].as_chunks_mut::<WIDTH>().0.iter_mut().zip(made) {
                    // SAFETY: a chunk has the elements of a vector.
                    unsafe { V::load(sums.as_ptr()).plus(made).store(sums.as_mut_ptr()) };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::kernels::conv::convolution::Direction;
    use crate::engine::kernels::conv::geometry::tests::{normal, samples, worst};
    use crate::engine::kernels::conv::layer::{Gradients, Layer};
    use crate::engine::kernels::conv::source::Source;
    use crate::engine::kernels::cpu::tests::on_each;

    #[test]
    fn sums_equal_plain_loops_in_float64() {
        on_each(|cpu| {
            for (i, sample) in samples().into_iter().enumerate() {
                let (x, dy) = (normal(sample.x_len(), i), normal(sample.y_len(), i + 1));
                let (mut wanted, mut dw) = (vec![0.0; sample.w_len()], vec![f32::NAN; sample.w_len()]);
                sample.each_product(|x_at, w_at, y_at| wanted[w_at] += f64::from(x[x_at]) * f64::from(dy[y_at]));
                let mut gradient = Gradients::new(&sample.g, sample.output, false);
                for _ in 0..2 {
                    gradient.run(&Source::Plain(&x), &Source::Plain(&dy), &[], &mut dw, &mut [], |_, _| {});
                    assert!(worst(&dw, &wanted) < 1e-5, "{cpu}, {sample:?}: off by {}", worst(&dw, &wanted));
                }
                let w = normal(sample.w_len(), i + 2);
                let (mut dx, mut alone) = (vec![f32::NAN; x.len()], vec![f32::NAN; x.len()]);
                let mut both = Gradients::new(&sample.g, sample.output, true);
                both.run(&Source::Plain(&x), &Source::Plain(&dy), &w, &mut dw, &mut dx, |_, _| {});
                assert!(worst(&dw, &wanted) < 1e-5, "{cpu}, {sample:?}: off by {}", worst(&dw, &wanted));
                let mut layer = Layer::new(&sample.g, sample.output, Direction::Adjoint);
                layer.run(&Source::Plain(&dy), &w, None, &mut alone, |_| {});
                assert_eq!(dx, alone, "{cpu}, {sample:?}");
            }
        });
    }
}
