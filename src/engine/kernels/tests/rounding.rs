//! What gradients of weights lose, which are sums over many images, against what the standard spelling loses.

use super::{floats, model, run, sample};
use crate::engine::kernels::cpu::tests::on_each;
use crate::engine::tests::onnxruntime;
use crate::graph::Target;
use crate::graph::ops::conv::{Conv, ConvWeightGrad};
use crate::graph::ops::{Case, Feed};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const IMAGES: usize = 128;

/// The gradient in float64, `[O, C, k, k]`, of images and the output's gradient with sides of so many pixels, from strides
/// of one and borders of k/2.
fn exact(x: &[f32], dy: &[f32], [inputs, outputs, side, k]: [usize; 4]) -> Vec<f64> {
    let mut dw = vec![0.0; outputs * inputs * k * k];
    for (at, dw) in dw.iter_mut().enumerate() {
        let (o, i, r, c) = (at / (inputs * k * k), at / (k * k) % inputs, at / k % k, at % k);
        for n in 0..IMAGES {
            for row in 0..side {
                let Some(from) = (row + r).checked_sub(k / 2).filter(|&from| from < side) else { continue };
                for column in 0..side {
                    let Some(there) = (column + c).checked_sub(k / 2).filter(|&there| there < side) else { continue };
                    let x = x[((n * inputs + i) * side + from) * side + there];
                    let dy = dy[((n * outputs + o) * side + row) * side + column];
                    *dw += f64::from(x) * f64::from(dy);
                }
            }
        }
    }
    dw
}

/// Root of the mean square of what is not as wanted, relative to what is wanted.
pub(in crate::engine::kernels) fn error(given: &[f32], wanted: &[f64]) -> f64 {
    let squares = given.iter().zip(wanted).map(|(g, w)| (f64::from(*g) - w).powi(2)).sum::<f64>();
    (squares / wanted.iter().map(|w| w * w).sum::<f64>()).sqrt()
}

#[test]
fn gradients_of_weights_lose_at_most_twice_what_the_standard_spelling_loses() {
    let engine = onnxruntime();
    for extents in [[16, 16, 14, 3], [32, 24, 7, 3], [12, 20, 16, 3], [3, 16, 14, 3], [24, 16, 14, 1], [4, 8, 14, 5]] {
        let [inputs, outputs, side, k] = extents;
        let conv = Conv { stride: [1; 2], pads: [k / 2; 4], dilation: [1; 2], groups: 1 };
        let feeds = vec![Feed::Normal(vec![IMAGES, inputs, side, side]), Feed::Normal(vec![IMAGES, outputs, side, side])];
        let case = Case::new(ConvWeightGrad { conv, kernel: [k; 2] }, feeds);
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let inputs: Vec<_> = case.inputs.iter().map(|feed| sample(feed, &mut rng)).collect();
        let wanted = exact(floats(&inputs[0]), floats(&inputs[1]), extents);
        let lost = |target| error(floats(&run(&*engine, &model(&case, target), &inputs).unwrap()[0]), &wanted);
        let standard = lost(Target::Portable);
        on_each(|cpu| {
            let kernel = lost(Target::CpuKernels);
            assert!(kernel <= 2.0 * standard, "{cpu}, {extents:?}: {kernel}, {standard} in the standard spelling");
        });
    }
}
