//! Where a convolution finds its operands: images in frames of zeros, and for each output the elements it sums.
//!
//! Every sum of a convolution or of one of its gradients is Σₖ x[pixel + sourceₖ]·wₖ with one offset for each output
//! pixel and one for each term. Kernels of any extent, stride and dilation differ in these offsets alone.

/// A convolution on images `[N, H, W, C]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Geometry {
    /// Images.
    pub(super) batch: usize,
    /// Height and width of the input.
    pub(super) size: [usize; 2],
    /// Input channels.
    pub(super) inputs: usize,
    /// Output channels.
    pub(super) outputs: usize,
    /// Height and width of the kernel.
    pub(super) kernel: [usize; 2],
    /// Steps along height and width.
    pub(super) stride: [usize; 2],
    /// Zeros at top, left, bottom and right.
    pub(super) pads: [usize; 4],
    /// Distance between kernel elements along height and width.
    pub(super) dilation: [usize; 2],
    /// Groups of channels.
    pub(super) groups: usize,
}

impl Geometry {
    /// Height and width of the output; `None` where the kernel does not fit or an extent is zero.
    pub(super) fn output_size(&self) -> Option<[usize; 2]> {
        let along = |a: usize| {
            let reach = self.dilation[a].checked_mul(self.kernel[a].checked_sub(1)?)? + 1;
            Some((self.size[a] + self.pads[a] + self.pads[a + 2]).checked_sub(reach)?.checked_div(self.stride[a])? + 1)
        };
        Some([along(0)?, along(1)?])
    }

    /// Whether each output channel has one input channel of its own.
    pub(super) fn is_depthwise(&self) -> bool {
        self.groups == self.inputs && self.groups == self.outputs
    }

    /// Groups that are computed one by one: depthwise channels are computed together.
    pub(super) fn blocks(&self) -> usize {
        if self.is_depthwise() { 1 } else { self.groups }
    }

    /// Input channels that each channel of such a group reads, and channels that it has.
    pub(super) fn group(&self) -> [usize; 2] {
        [self.inputs / self.groups, self.outputs / self.blocks()]
    }
}

/// Floats of the images that are worked on at a time: they stay in the second cache beside weights and results.
const BLOCK: usize = 32 * 1024;

/// Where images lie that have zeros around them, several side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// Rows and columns of an image with its border.
    pub(super) size: [usize; 2],
    /// Rows above and columns left of the image.
    pub(super) before: [usize; 2],
    /// Rows and columns of the image itself.
    pub(super) inner: [usize; 2],
    /// Floats of each pixel.
    pub(super) channels: usize,
}

impl Frame {
    /// Images without borders.
    pub(super) fn bare(size: [usize; 2], channels: usize) -> Frame {
        Frame { size, before: [0, 0], inner: size, channels }
    }

    /// Distance between images.
    pub(super) fn image(&self) -> usize {
        self.size[0] * self.size[1] * self.channels
    }

    /// Floats of an image without its border.
    pub(super) fn inner_image(&self) -> usize {
        self.inner[0] * self.inner[1] * self.channels
    }

    /// Whether there are no borders.
    pub(super) fn is_bare(&self) -> bool {
        self.size == self.inner
    }

    /// How many images are best worked on at a time.
    pub(super) fn block(&self) -> usize {
        (BLOCK / self.image().max(1)).max(1)
    }

    /// Where the pixels of so many images lie, image by image and row by row.
    pub(super) fn pixels(&self, images: usize) -> Vec<usize> {
        let mut pixels = Vec::with_capacity(images * self.inner[0] * self.inner[1]);
        for image in 0..images {
            for y in 0..self.inner[0] {
                let row = (self.before[0] + y) * self.size[1] + self.before[1];
                pixels.extend((row..row + self.inner[1]).map(|at| image * self.image() + at * self.channels));
            }
        }
        pixels
    }
}

/// Outputs whose sums have the same terms.
#[derive(Debug)]
pub(super) struct Phase {
    /// Terms: the kernel element (row-major), and the offset of its pixel.
    pub(super) taps: Vec<(usize, usize)>,
    /// Offset in the frame of each output of a block of images, image by image.
    pub(super) pixels: Vec<usize>,
    /// Pixel of each of these outputs in the result, counted over the block.
    pub(super) targets: Vec<usize>,
}

/// A frame, and what is gathered from it.
#[derive(Debug)]
pub(super) struct Gather {
    pub(super) frame: Frame,
    /// Images that are worked on at a time.
    pub(super) images: usize,
    pub(super) phases: Vec<Phase>,
    /// Pixels of the result of each image.
    pub(super) result_pixels: usize,
}

/// Along one axis: the outputs of one phase and the terms of their sums.
struct AxisPhase {
    /// First output.
    first: usize,
    /// Number of outputs, which are `step` apart.
    count: usize,
    /// Kernel elements and where each one's term lies, relative to that of the first.
    taps: Vec<(usize, usize)>,
    /// Where the first term of output `first` lies in the frame; the next output's is `advance` further.
    start: usize,
    advance: usize,
    step: usize,
}

/// The phases of one axis with the rows that the frame has, and how many of these come before the image.
struct Axis {
    phases: Vec<AxisPhase>,
    rows: usize,
    before: usize,
}

impl Axis {
    /// What outputs of the convolution read.
    fn forward(g: &Geometry, output: [usize; 2], a: usize) -> Axis {
        let taps = (0..g.kernel[a]).map(|k| (k, k * g.dilation[a])).collect();
        let phase = AxisPhase { first: 0, count: output[a], taps, start: 0, advance: g.stride[a], step: 1 };
        Axis { phases: vec![phase], rows: g.pads[a] + g.size[a] + g.pads[a + 2], before: g.pads[a] }
    }

    /// What elements of the input's gradient read of the output's: element i gets output o through kernel element k where
    /// stride·o = i + pad − dilation·k, so that elements with the same remainder by the stride share their terms.
    fn adjoint(g: &Geometry, output: [usize; 2], a: usize) -> Axis {
        let (stride, reach) = (g.stride[a] as isize, g.dilation[a] as isize);
        let shift = |first: usize, k: usize| {
            let distance = (first + g.pads[a]) as isize - reach * k as isize;
            (distance.rem_euclid(stride) == 0).then(|| distance.div_euclid(stride))
        };
        let terms: Vec<(usize, Vec<(usize, isize)>)> = (0..g.stride[a].min(g.size[a]))
            .map(|first| (first, (0..g.kernel[a]).rev().filter_map(|k| Some((k, shift(first, k)?))).collect()))
            .collect();
        let before = terms.iter().flat_map(|(_, t)| t).map(|&(_, shift)| -shift).max().unwrap_or(0).max(0) as usize;
        let mut rows = before + output[a];
        let phases = terms
            .into_iter()
            .map(|(first, terms)| {
                let count = (g.size[a] - first).div_ceil(g.stride[a]);
                let least = terms.first().map_or(0, |&(_, shift)| shift);
                let start = (before as isize + least) as usize;
                let taps: Vec<_> = terms.into_iter().map(|(k, shift)| (k, (shift - least) as usize)).collect();
                rows = rows.max(start + count + taps.last().map_or(0, |&(_, at)| at));
                AxisPhase { first, count, taps, start, advance: 1, step: g.stride[a] }
            })
            .collect();
        Axis { phases, rows, before }
    }
}

impl Gather {
    /// What the outputs of a convolution read of its input, at most so many images at a time.
    pub(super) fn forward(g: &Geometry, output: [usize; 2], images: usize) -> Gather {
        let axes = [0, 1].map(|a| Axis::forward(g, output, a));
        Gather::new(&axes, g.kernel[1], g.size, g.inputs, output, images.min(g.batch))
    }

    /// What the gradient of the input reads of the gradient of the output, likewise.
    pub(super) fn adjoint(g: &Geometry, output: [usize; 2], images: usize) -> Gather {
        let axes = [0, 1].map(|a| Axis::adjoint(g, output, a));
        Gather::new(&axes, g.kernel[1], output, g.outputs, g.size, images.min(g.batch))
    }

    fn new(
        [rows, columns]: &[Axis; 2],
        kernel_width: usize,
        inner: [usize; 2],
        channels: usize,
        result: [usize; 2],
        images: usize,
    ) -> Gather {
        let before = [rows.before, columns.before];
        let frame = Frame { size: [rows.rows, columns.rows], before, inner, channels };
        let images = frame.block().min(images).max(1);
        let line = frame.size[1] * channels;
        let mut phases = vec![];
        for (r, c) in rows.phases.iter().flat_map(|r| columns.phases.iter().map(move |c| (r, c))) {
            let taps = r
                .taps
                .iter()
                .flat_map(|&(kh, y)| c.taps.iter().map(move |&(kw, x)| (kh * kernel_width + kw, y * line + x * channels)));
            let mut phase = Phase { taps: taps.collect(), pixels: vec![], targets: vec![] };
            for image in 0..images {
                for y in 0..r.count {
                    for x in 0..c.count {
                        let (row, column) = (r.start + y * r.advance, c.start + x * c.advance);
                        // Without terms nothing is read, wherever the pixel is said to lie.
                        let at = if phase.taps.is_empty() { 0 } else { row * line + column * channels };
                        phase.pixels.push(image * frame.image() + at);
                        let target = (r.first + y * r.step) * result[1] + c.first + x * c.step;
                        phase.targets.push(image * result[0] * result[1] + target);
                    }
                }
            }
            phases.push(phase);
        }
        let gather = Gather { frame, images, phases, result_pixels: result[0] * result[1] };
        gather.check();
        gather
    }

    /// That nothing outside the frame is read and nothing outside the result written: the loops over these offsets do not
    /// look.
    fn check(&self) {
        let (read, written) = (self.images * self.frame.image(), self.images * self.result_pixels);
        for phase in &self.phases {
            let farthest = phase.taps.iter().map(|t| t.1).max();
            let pixel = phase.pixels.iter().max();
            assert!(farthest.zip(pixel).is_none_or(|(tap, pixel)| tap + pixel + self.frame.channels <= read));
            assert!(phase.targets.iter().all(|&t| t < written));
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::Geometry;
    use rand::SeedableRng;
    use rand_distr::{Distribution, StandardNormal};

    /// A convolution on an image.
    #[derive(Debug)]
    pub(in crate::engine::kernels::conv) struct Sample {
        pub(in crate::engine::kernels::conv) g: Geometry,
        pub(in crate::engine::kernels::conv) output: [usize; 2],
    }

    impl Sample {
        pub(in crate::engine::kernels::conv) fn x_len(&self) -> usize {
            self.g.batch * self.g.size[0] * self.g.size[1] * self.g.inputs
        }

        pub(in crate::engine::kernels::conv) fn y_len(&self) -> usize {
            self.g.batch * self.output[0] * self.output[1] * self.g.outputs
        }

        pub(in crate::engine::kernels::conv) fn w_len(&self) -> usize {
            self.g.outputs * (self.g.inputs / self.g.groups) * self.g.kernel[0] * self.g.kernel[1]
        }

        /// Calls `visit` with the positions of input, weight and output of each product of the convolution.
        pub(in crate::engine::kernels::conv) fn each_product(&self, mut visit: impl FnMut(usize, usize, usize)) {
            let (g, [oh, ow]) = (&self.g, self.output);
            let (inputs, outputs) = (g.inputs / g.groups, g.outputs / g.groups);
            for (n, o) in (0..g.batch).flat_map(|n| (0..g.outputs).map(move |o| (n, o))) {
                for (y, x) in (0..oh).flat_map(|y| (0..ow).map(move |x| (y, x))) {
                    for (kh, kw) in (0..g.kernel[0]).flat_map(|kh| (0..g.kernel[1]).map(move |kw| (kh, kw))) {
                        let row = (y * g.stride[0] + kh * g.dilation[0]).checked_sub(g.pads[0]);
                        let column = (x * g.stride[1] + kw * g.dilation[1]).checked_sub(g.pads[1]);
                        let (Some(row), Some(column)) = (row, column) else { continue };
                        if row >= g.size[0] || column >= g.size[1] {
                            continue;
                        }
                        for i in 0..inputs {
                            let channel = o / outputs * inputs + i;
                            let x_at = ((n * g.size[0] + row) * g.size[1] + column) * g.inputs + channel;
                            let w_at = ((o * inputs + i) * g.kernel[0] + kh) * g.kernel[1] + kw;
                            visit(x_at, w_at, ((n * oh + y) * ow + x) * g.outputs + o);
                        }
                    }
                }
            }
        }
    }

    pub(in crate::engine::kernels::conv) fn normal(len: usize, seed: usize) -> Vec<f32> {
        StandardNormal.sample_iter(rand_chacha::ChaCha8Rng::seed_from_u64(seed as u64)).take(len).collect()
    }

    /// Greatest difference, relative to the greatest value; infinite where something is not a number.
    pub(in crate::engine::kernels::conv) fn worst(given: &[f32], wanted: &[f64]) -> f64 {
        let size = wanted.iter().fold(1e-3_f64, |m, v| m.max(v.abs()));
        let differences = given.iter().zip(wanted).map(|(g, w)| (f64::from(*g) - w).abs() / size);
        differences.fold(0.0, |m, d| if d.is_nan() { f64::INFINITY } else { m.max(d) })
    }

    /// Every attribute away from its default, odd extents, channels that fill no vector, blocks of several images.
    pub(in crate::engine::kernels::conv) fn samples() -> Vec<Sample> {
        let plain = |batch, size, inputs, outputs, kernel: [usize; 2]| Geometry {
            batch,
            size,
            inputs,
            outputs,
            kernel,
            stride: [1, 1],
            pads: [kernel[0] / 2, kernel[1] / 2, kernel[0] / 2, kernel[1] / 2],
            dilation: [1, 1],
            groups: 1,
        };
        let list = vec![
            plain(3, [5, 7], 3, 4, [3, 3]),
            plain(2, [14, 14], 32, 64, [3, 3]),
            plain(40, [4, 4], 17, 40, [3, 3]),
            plain(1, [1, 1], 1, 1, [1, 1]),
            plain(3, [1, 1], 5, 17, [3, 3]),
            plain(2, [28, 28], 1, 32, [5, 5]),
            plain(9, [6, 5], 48, 33, [1, 1]),
            plain(2, [1, 11], 4, 6, [1, 3]),
            plain(2, [3, 3], 2, 3, [7, 7]),
            Geometry { pads: [0; 4], ..plain(2, [6, 6], 3, 16, [2, 2]) },
            Geometry { stride: [2, 2], ..plain(3, [9, 8], 16, 24, [3, 3]) },
            Geometry { stride: [3, 2], pads: [1, 2, 0, 1], dilation: [2, 1], ..plain(2, [9, 11], 5, 20, [3, 3]) },
            Geometry { stride: [2, 2], pads: [0; 4], ..plain(2, [7, 6], 8, 16, [1, 1]) },
            Geometry { stride: [3, 3], pads: [0; 4], ..plain(1, [8, 8], 4, 5, [2, 2]) },
            Geometry { dilation: [2, 2], pads: [2; 4], ..plain(2, [9, 8], 18, 7, [3, 3]) },
            Geometry { groups: 2, ..plain(2, [7, 5], 8, 12, [3, 3]) },
            Geometry { groups: 4, stride: [2, 1], ..plain(2, [8, 8], 64, 128, [3, 3]) },
            Geometry { groups: 3, ..plain(2, [4, 4], 3, 6, [3, 3]) },
            Geometry { groups: 5, ..plain(2, [6, 7], 5, 5, [3, 3]) },
            Geometry { groups: 32, stride: [2, 2], ..plain(2, [9, 9], 32, 32, [5, 5]) },
            Geometry { groups: 40, ..plain(5, [14, 13], 40, 40, [5, 5]) },
            plain(3, [7, 6], 40, 112, [3, 3]),
            Geometry { pads: [0; 4], ..plain(3, [9, 8], 16, 20, [3, 3]) },
            Geometry { pads: [1, 0, 0, 1], ..plain(2, [10, 7], 20, 33, [3, 3]) },
            Geometry { pads: [0, 1, 1, 0], ..plain(19, [4, 6], 32, 12, [3, 3]) },
            plain(70, [2, 3], 20, 80, [1, 1]),
        ];
        list.into_iter().map(|g| Sample { output: g.output_size().expect("samples fit"), g }).collect()
    }
}
