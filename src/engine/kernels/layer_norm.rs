//! Layer normalisation and its gradient on `[N, C]` and `[N, H, W, C]`: each example by its own statistics.

use super::vector::{PerElement, Work, sum_pairs, widest};
use super::{Arity, Body, Entry, Shapes, attribute};

/// Elements of an example, and its channels, which vary fastest.
#[derive(Debug, Clone, Copy)]
struct Layout {
    example: usize,
    channels: usize,
}

impl Layout {
    fn of(extents: &[usize]) -> Result<Layout, String> {
        match extents {
            [_, rest @ .., channels] if matches!(extents.len(), 2 | 4) && !extents.contains(&0) => {
                Ok(Layout { example: rest.iter().product::<usize>() * channels, channels: *channels })
            }
            _ => Err(format!("[N, C] or [N, H, W, C] with elements wanted, not {extents:?}")),
        }
    }
}

/// First and second moment about a given number.
struct Moments;

impl PerElement<1> for Moments {
    type Output = (f32, f32);

    #[inline(always)]
    fn at([centre]: [f32; 1], x: f32, _: f32) -> (f32, f32) {
        let d = x - centre;
        (d, d * d)
    }
}

/// Mean and 1/√(variance + epsilon) of an example, by differences to its first element: a mean far from zero would
/// otherwise cancel the variance.
#[inline(always)]
fn statistics(x: &[f32], epsilon: f32) -> (f32, f32) {
    let count = x.len() as f64;
    let (sum, squares) = sum_pairs::<Moments, 1>([x[0]], x, x);
    let centre = sum / count;
    // Rounding may leave a constant example a little below zero; NaN passes.
    let variance = (squares / count - centre * centre).clamp(0.0, f64::MAX);
    ((f64::from(x[0]) + centre) as f32, (1.0 / (variance + f64::from(epsilon)).sqrt()) as f32)
}

struct Forward<'a> {
    layout: Layout,
    epsilon: f32,
    x: &'a [f32],
    gamma: &'a [f32],
    beta: &'a [f32],
    y: &'a mut [f32],
}

impl Work for Forward<'_> {
    #[inline(always)]
    fn run(self) {
        let Layout { example, channels } = self.layout;
        for (x, y) in self.x.chunks_exact(example).zip(self.y.chunks_exact_mut(example)) {
            let (mean, inverse) = statistics(x, self.epsilon);
            for (x, y) in x.chunks_exact(channels).zip(y.chunks_exact_mut(channels)) {
                for (((y, x), gamma), beta) in y.iter_mut().zip(x).zip(self.gamma).zip(self.beta) {
                    *y = (x - mean) * inverse * gamma + beta;
                }
            }
        }
    }
}

struct Backward<'a> {
    layout: Layout,
    epsilon: f32,
    dy: &'a [f32],
    x: &'a [f32],
    gamma: &'a [f32],
    dx: &'a mut [f32],
    dgamma: &'a mut [f32],
    dbeta: &'a mut [f32],
    /// γ·dy of one example, and the channels' sums of one example: x̂·dy, then dy.
    scratch: &'a mut Scratch,
}

/// Memory kept between calls.
#[derive(Default)]
struct Scratch {
    scaled: Vec<f32>,
    sums: [Vec<f32>; 2],
    totals: [Vec<f64>; 2],
}

impl Scratch {
    fn fit(&mut self, Layout { example, channels }: Layout) {
        self.scaled.resize(example, 0.0);
        self.sums.iter_mut().for_each(|v| v.resize(channels, 0.0));
        self.totals.iter_mut().for_each(|v| {
            v.clear();
            v.resize(channels, 0.0);
        });
    }
}

/// Sum of the first argument, and of its product with the second less the mean.
struct Products;

impl PerElement<1> for Products {
    type Output = (f32, f32);

    #[inline(always)]
    fn at([mean]: [f32; 1], g: f32, x: f32) -> (f32, f32) {
        (g, g * (x - mean))
    }
}

impl Work for Backward<'_> {
    #[inline(always)]
    fn run(self) {
        let Layout { example, channels } = self.layout;
        let Scratch { scaled, sums: [products, gradients], totals } = self.scratch;
        let examples = self.dy.chunks_exact(example).zip(self.x.chunks_exact(example));
        for ((dy, x), dx) in examples.zip(self.dx.chunks_exact_mut(example)) {
            let (mean, inverse) = statistics(x, self.epsilon);
            products.fill(0.0);
            gradients.fill(0.0);
            let pixels = dy.chunks_exact(channels).zip(x.chunks_exact(channels)).zip(scaled.chunks_exact_mut(channels));
            for ((dy, x), scaled) in pixels {
                let sums = products.iter_mut().zip(gradients.iter_mut());
                for ((((dy, x), scaled), gamma), (product, gradient)) in
                    dy.iter().zip(x).zip(scaled).zip(self.gamma).zip(sums)
                {
                    *scaled = dy * gamma;
                    *product += dy * (x - mean) * inverse;
                    *gradient += dy;
                }
            }
            for (total, part) in totals.iter_mut().zip([&*products, &*gradients]) {
                total.iter_mut().zip(part).for_each(|(total, &part)| *total += f64::from(part));
            }
            let (sum, product) = sum_pairs::<Products, 1>([mean], scaled, x);
            let count = example as f64;
            let shift = (sum / count) as f32;
            let slope = (product * f64::from(inverse) * f64::from(inverse) / count) as f32;
            for ((dx, g), x) in dx.iter_mut().zip(&*scaled).zip(x) {
                *dx = (g - shift - (x - mean) * slope) * inverse;
            }
        }
        self.dgamma.iter_mut().zip(&totals[0]).for_each(|(d, &total)| *d = total as f32);
        self.dbeta.iter_mut().zip(&totals[1]).for_each(|(d, &total)| *d = total as f32);
    }
}

/// Checks that each of `parameters` has one element a channel.
fn check(x: &[usize], parameters: &[Vec<usize>]) -> Result<Layout, String> {
    let layout = Layout::of(x)?;
    match parameters.iter().find(|p| p.as_slice() != [layout.channels]) {
        Some(p) => Err(format!("{p:?} does not fit the channels of {x:?}")),
        None => Ok(layout),
    }
}

/// Normalisation.
pub(super) static FORWARD: Entry = Entry {
    name: "LayerNorm",
    inputs: Arity::Exactly(3),
    outputs: Arity::Exactly(1),
    shapes: Shapes::OfInputs(|inputs| match inputs {
        [x, parameters @ ..] if parameters.len() == 2 => check(x, parameters).map(|_| vec![x.clone()]),
        _ => Err(format!("3 inputs wanted, {} given", inputs.len())),
    }),
    create: |context| {
        let epsilon = attribute(context, "epsilon")?;
        Ok(Body::Apart(Box::new(move |inputs, outputs| {
            if let ([x, gamma, beta], [y]) = (inputs, outputs)
                && let Ok(layout) = Layout::of(x.extents)
            {
                widest(Forward { layout, epsilon, x: x.data, gamma: gamma.data, beta: beta.data, y });
            }
            Ok(())
        })))
    },
};
/// Its gradients.
pub(super) static GRADIENT: Entry = Entry {
    name: "LayerNormGrad",
    inputs: Arity::Exactly(3),
    outputs: Arity::Exactly(3),
    shapes: Shapes::OfInputs(|inputs| match inputs {
        [dy, x, gamma] if dy == x => {
            let channel = vec![check(x, std::slice::from_ref(gamma))?.channels];
            Ok(vec![x.clone(), channel.clone(), channel])
        }
        _ => Err(format!("gradient and input of one shape and a value a channel wanted, not {inputs:?}")),
    }),
    create: |context| {
        let epsilon = attribute(context, "epsilon")?;
        let mut scratch = Scratch::default();
        Ok(Body::Apart(Box::new(move |inputs, outputs| {
            if let ([dy, x, gamma], [dx, dgamma, dbeta]) = (inputs, outputs)
                && let Ok(layout) = Layout::of(x.extents)
            {
                scratch.fit(layout);
                let (dy, x, gamma) = (dy.data, x.data, gamma.data);
                widest(Backward { layout, epsilon, dy, x, gamma, dx, dgamma, dbeta, scratch: &mut scratch });
            }
            Ok(())
        })))
    },
};
