//! A plain interpreter of genomes with weights, the oracle of [`preserves`]: a child with its parent's weights, inherited
//! as stated there, must give the parent's outputs. Linear layers are 1×1 convolutions of 1×1 images.

use super::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// A weight: outputs, inputs, rows and columns of the kernel.
#[derive(Clone)]
struct Tensor {
    shape: [usize; 4],
    data: Vec<f64>,
}

/// Channels, rows, columns.
#[derive(Clone)]
struct Map {
    channels: usize,
    size: Size,
    data: Vec<f64>,
}

/// Weights by path; those that are asked for and not there are drawn.
struct Weights {
    tensors: BTreeMap<String, Tensor>,
    rng: ChaCha8Rng,
}

impl Weights {
    fn get(&mut self, path: String, shape: [usize; 4]) -> Tensor {
        let rng = &mut self.rng;
        let scale = (shape[1..].iter().product::<usize>() as f64).sqrt();
        let draw =
            || Tensor { shape, data: (0..shape.iter().product()).map(|_| rng.random_range(-2.0..2.0) / scale).collect() };
        let tensor = self.tensors.entry(path).or_insert_with(draw);
        assert_eq!(tensor.shape, shape);
        tensor.clone()
    }

    /// Convolution with "same" padding, and a bias where there is no norm.
    fn conv(&mut self, path: &str, x: &Map, outputs: usize, block: &ConvBlock, stride: usize, norm: Norm) -> Map {
        let ConvBlock { kernel, dilation, groups, .. } = *block;
        let inputs = x.channels / groups;
        let weight = self.get(format!("{path}.weight"), [outputs, inputs, kernel, kernel]);
        let size = x.size.strided(stride);
        let pad = (dilation * (kernel / 2)) as isize;
        let mut y = Map { channels: outputs, size, data: vec![] };
        for output in 0..outputs {
            let first = output / (outputs / groups) * inputs;
            for at in 0..size.area() {
                let (row, column) = ((at / size.width * stride) as isize - pad, (at % size.width * stride) as isize - pad);
                let mut sum = 0.0;
                for input in 0..inputs {
                    for tap in 0..kernel * kernel {
                        let row = row + (tap / kernel * dilation) as isize;
                        let column = column + (tap % kernel * dilation) as isize;
                        if (0..x.size.height as isize).contains(&row) && (0..x.size.width as isize).contains(&column) {
                            let from = ((first + input) * x.size.height + row as usize) * x.size.width + column as usize;
                            sum += x.data[from] * weight.data[(output * inputs + input) * kernel * kernel + tap];
                        }
                    }
                }
                y.data.push(sum);
            }
        }
        if norm == Norm::None {
            let bias = self.get(format!("{path}.bias"), [outputs, 1, 1, 1]);
            return per_channel(&y, |channel, value| value + bias.data[channel]);
        }
        self.norm(path, &y, norm)
    }

    /// Batch normalisation at inference is a scale and a shift of each channel.
    fn norm(&mut self, path: &str, x: &Map, norm: Norm) -> Map {
        if norm == Norm::None {
            return x.clone();
        }
        let scale = self.get(format!("{path}.scale"), [x.channels, 1, 1, 1]);
        let shift = self.get(format!("{path}.shift"), [x.channels, 1, 1, 1]);
        let (mut mean, mut deviation) = (0.0, 1.0);
        if norm == Norm::Layer {
            mean = x.data.iter().sum::<f64>() / x.data.len() as f64;
            deviation = (x.data.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / x.data.len() as f64 + 1e-5).sqrt();
        }
        per_channel(x, |channel, value| (value - mean) / deviation * scale.data[channel] + shift.data[channel])
    }

    fn linear(&mut self, path: &str, x: &Map, outputs: usize) -> Map {
        self.conv(path, x, outputs, &POINT, 1, Norm::None)
    }
}

const POINT: ConvBlock =
    ConvBlock { motif: ConvMotif::ConvAct, kernel: 1, dilation: 1, groups: 1, quarters: 4, branches: 1, skip: false };

fn per_channel(x: &Map, change: impl Fn(usize, f64) -> f64) -> Map {
    let data = x.data.iter().enumerate().map(|(at, &value)| change(at / x.size.area(), value)).collect();
    Map { data, ..*x }
}

fn activated(x: &Map, act: Act) -> Map {
    per_channel(x, |_, x| match act {
        Act::Relu => x.max(0.0),
        Act::LeakyRelu => x.max(0.01 * x),
        Act::Elu => {
            if x > 0.0 {
                x
            } else {
                x.exp_m1()
            }
        }
        // The sigmoid approximation of Hendrycks and Gimpel (2016).
        Act::Gelu => x / (1.0 + (-1.702 * x).exp()),
        Act::Silu => x / (1.0 + (-x).exp()),
        Act::Tanh => x.tanh(),
        Act::Sigmoid => 1.0 / (1.0 + (-x).exp()),
    })
}

fn plus(a: &Map, b: &Map) -> Map {
    assert_eq!((a.channels, a.size), (b.channels, b.size));
    Map { data: a.data.iter().zip(&b.data).map(|(a, b)| a + b).collect(), ..*a }
}

fn concat(maps: &[Map]) -> Map {
    let data = maps.iter().flat_map(|map| map.data.iter().copied()).collect();
    Map { channels: maps.iter().map(|map| map.channels).sum(), size: maps[0].size, data }
}

/// Each position becomes `fold` of its window; positions outside the map count as nothing.
fn pooled(x: &Map, size: Size, stride: usize, window: std::ops::Range<isize>, fold: fn(&[f64]) -> f64) -> Map {
    let mut data = Vec::new();
    for channel in x.data.chunks(x.size.area()) {
        for at in 0..size.area() {
            let mut values = Vec::new();
            for (rows, columns) in window.clone().flat_map(|rows| window.clone().map(move |columns| (rows, columns))) {
                let (row, column) =
                    ((at / size.width * stride) as isize + rows, (at % size.width * stride) as isize + columns);
                if (0..x.size.height as isize).contains(&row) && (0..x.size.width as isize).contains(&column) {
                    values.push(channel[row as usize * x.size.width + column as usize]);
                }
            }
            data.push(fold(&values));
        }
    }
    Map { channels: x.channels, size, data }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn most(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

fn conv_block(weights: &mut Weights, path: &str, x: &Map, block: &ConvBlock, shape: &BlockShape, net: &ImageNet) -> Map {
    let (norm, outputs, stride) = (net.norm, shape.outputs, shape.stride);
    let act = |x: Map| activated(&x, net.activation);
    let plain = ConvBlock { groups: 1, ..*block };
    let mut conv = |name: &str, x: &Map, outputs: usize, block: &ConvBlock, stride: usize, norm: Norm| {
        weights.conv(&format!("{path}.{name}"), x, outputs, block, stride, norm)
    };
    let skip =
        block.skip.then(|| if shape.projects() { conv("projection", x, outputs, &POINT, stride, norm) } else { x.clone() });
    let y = match block.motif {
        ConvMotif::ConvNormAct => act(conv("a", x, outputs, block, stride, norm)),
        ConvMotif::ConvAct => act(conv("a", x, outputs, block, stride, Norm::None)),
        ConvMotif::ConvDepthwise => {
            let wide = act(conv("a", x, outputs, &POINT, 1, norm));
            act(conv("b", &wide, outputs, &ConvBlock { groups: outputs, ..*block }, stride, norm))
        }
        ConvMotif::Residual => {
            let hidden = act(conv("a", x, outputs, &plain, stride, norm));
            conv("end", &hidden, outputs, &plain, 1, norm)
        }
        ConvMotif::Bottleneck => {
            let hidden = bottleneck_width(outputs, block.quarters, block.groups);
            let narrow = act(conv("a", x, hidden, &POINT, 1, norm));
            let spread = act(conv("b", &narrow, hidden, block, stride, norm));
            conv("end", &spread, outputs, &POINT, 1, norm)
        }
        ConvMotif::Inception => {
            let width = inception_width(outputs, block.quarters);
            let branches: Vec<Map> = (0..block.branches)
                .map(|index| {
                    let from = if index == 3 { pooled(x, x.size, 1, -1..2, mean) } else { x.clone() };
                    let first = act(conv(&format!("{index}.0"), &from, width, &POINT, 1, norm));
                    let further = 1..=if index < 3 { index } else { 0 };
                    further.fold(first, |y, layer| act(conv(&format!("{index}.{layer}"), &y, width, &plain, 1, norm)))
                })
                .collect();
            act(conv("join", &concat(&branches), outputs, &POINT, 1, norm))
        }
        ConvMotif::Dense => {
            let mut all = x.clone();
            for layer in 0..block.branches {
                let growth = dense_growth(outputs, block.quarters);
                let grown = act(conv(&layer.to_string(), &all, growth, &plain, 1, norm));
                all = concat(&[all, grown]);
            }
            act(conv("join", &all, outputs, &POINT, 1, norm))
        }
    };
    let sum = skip.map_or(y.clone(), |skip| plus(&y, &skip));
    if matches!(block.motif, ConvMotif::Residual | ConvMotif::Bottleneck) { act(sum) } else { sum }
}

fn image(weights: &mut Weights, net: &ImageNet, input: &Map) -> Map {
    let shape = ImageShape::of(net, input.size);
    let stem = ConvBlock { kernel: net.stem.kernel, ..POINT };
    let mut x = activated(&weights.conv("stem", input, net.stem.width, &stem, net.stem.stride, net.norm), net.activation);
    for (index, (stage, shapes)) in net.stages.iter().zip(&shape.stages).enumerate() {
        match shapes.pool {
            Downsample::MaxPool => x = pooled(&x, x.size.pooled(), 2, 0..2, most),
            Downsample::AveragePool => x = pooled(&x, x.size.pooled(), 2, 0..2, mean),
            Downsample::None | Downsample::Stride => {}
        }
        for (number, (block, shape)) in stage.blocks.iter().zip(&shapes.blocks).enumerate() {
            assert_eq!((x.channels, x.size), (shape.inputs, shape.from));
            x = conv_block(weights, &format!("stages.{index}.blocks.{number}"), &x, block, shape, net);
            assert_eq!((x.channels, x.size), (shape.outputs, shape.to));
        }
    }
    let fold = if net.head.pool == GlobalPool::Max { most } else { mean };
    let mut x = pooled(&x, Size { height: 1, width: 1 }, 1, 0..x.size.height.max(x.size.width) as isize, fold);
    if net.head.hidden > 0 {
        x = activated(&weights.linear("head.hidden", &x, net.head.hidden), net.activation);
    }
    weights.linear("head", &x, 3)
}

fn table(weights: &mut Weights, net: &TableNet, input: &Map) -> Map {
    let mut x = input.clone();
    for (number, block) in net.blocks.iter().enumerate() {
        let path = |name: &str| format!("blocks.{number}.{name}");
        x = match block.motif {
            TableMotif::Linear => activated(&weights.conv(&path("a"), &x, block.width, &POINT, 1, net.norm), net.activation),
            TableMotif::Residual => {
                let normed = weights.norm(&path("norm"), &x, net.norm);
                let hidden = activated(&weights.linear(&path("a"), &normed, block.width), net.activation);
                plus(&x, &weights.linear(&path("end"), &hidden, x.channels))
            }
            TableMotif::Gated => {
                let normed = weights.norm(&path("norm"), &x, net.norm);
                let gate = activated(&weights.linear(&path("gate"), &normed, block.width), Act::Sigmoid);
                let value = weights.linear(&path("value"), &normed, block.width);
                Map { data: gate.data.iter().zip(&value.data).map(|(a, b)| a * b).collect(), ..gate }
            }
        };
    }
    weights.linear("head", &x, 3)
}

fn run(genome: &Genome, weights: &mut Weights, input: &Map) -> Vec<f64> {
    match &genome.net {
        Net::Table(net) => table(weights, net, input).data,
        Net::Image(net) => image(weights, net, input).data,
        Net::Ancestor(_) => panic!("births are no ancestors"),
    }
}

/// The parent's numbers first on every axis and in the centre of kernels, zeros from new inputs to old outputs.
fn grown(old: &Tensor, new: &mut Tensor) {
    let [outputs, inputs, rows, columns] = new.shape;
    let (above, left) = ((rows - old.shape[2]) / 2, (columns - old.shape[3]) / 2);
    for output in 0..outputs.min(old.shape[0]) {
        for (input, row, column) in
            (0..inputs).flat_map(|input| (0..rows).flat_map(move |row| (0..columns).map(move |column| (input, row, column))))
        {
            let inside = input < old.shape[1]
                && (above..above + old.shape[2]).contains(&row)
                && (left..left + old.shape[3]).contains(&column);
            let from = |row: usize, column: usize| {
                ((output * old.shape[1] + input) * old.shape[2] + row - above) * old.shape[3] + column - left
            };
            new.data[((output * inputs + input) * rows + row) * columns + column] =
                if inside { old.data[from(row, column)] } else { 0.0 };
        }
    }
}

/// The child's weights from the parent's; `fresh` are random ones of the child's shapes.
fn inherited(parent: &Genome, child: &Genome, old: &Weights, mut fresh: Weights) -> Weights {
    let alignment = align(parent, child);
    for (path, tensor) in &mut fresh.tensors {
        let block = alignment.blocks.iter().find(|(block, _)| path.starts_with(&format!("{block}.")));
        let origin = match block {
            None => Some(path.clone()),
            Some((block, origin)) => origin.as_ref().map(|origin| path.replacen(block.as_str(), origin, 1)),
        };
        match origin.as_ref().and_then(|origin| old.tensors.get(origin)) {
            Some(old) => grown(old, tensor),
            None if path.contains(".end.") => tensor.data.fill(0.0),
            None => {}
        }
    }
    fresh
}

fn with_widths(space: &SearchSpace, widths: &[usize]) -> SearchSpace {
    let mut space = space.clone();
    match &mut space.limits {
        Limits::Table(limits) => limits.widths = By::all(widths.to_vec()),
        Limits::Image(limits) => (limits.stem.widths, limits.widths) = (widths.to_vec(), widths.to_vec()),
    }
    space
}

#[test]
fn preserving_edits_keep_the_outputs() {
    let mut compared = BTreeMap::new();
    for (seed, space) in tests::spaces().into_iter().enumerate() {
        // Encodings are the same in parent and child, so nets for tables are compared behind them. Parents are born
        // narrow, so that there is room for widening.
        let (narrow, space) = (with_widths(&space, &[8, 16]), with_widths(&space, &[8, 16, 24]));
        let mut rng = ChaCha8Rng::seed_from_u64(seed as u64);
        let (channels, size) = match space.domain.input {
            InputDomain::Table { .. } => (5, Size { height: 1, width: 1 }),
            InputDomain::Image { height, width, channels } if height <= 8 => (channels, Size { height, width }),
            InputDomain::Image { .. } => continue,
        };
        let data = (0..channels * size.area()).map(|_| rng.random_range(-1.0..1.0)).collect();
        let input = Map { channels, size, data };
        for _ in 0..40 {
            let parent = narrow.birth(&mut rng);
            let mut old = Weights { tensors: BTreeMap::new(), rng: rng.clone() };
            let expected = run(&parent, &mut old, &input);
            for mutation in mutation::ALL.iter().filter(|mutation| mutation.kind == mutation::Kind::Architecture) {
                let Some(edit) = (mutation.apply)(&space, &parent, &mut rng) else { continue };
                if !preserves(&parent, &edit.genome) {
                    continue;
                }
                let mut fresh = Weights { tensors: BTreeMap::new(), rng: rng.clone() };
                run(&edit.genome, &mut fresh, &input);
                let outputs = run(&edit.genome, &mut inherited(&parent, &edit.genome, &old, fresh), &input);
                for (output, expected) in outputs.iter().zip(&expected) {
                    assert!((output - expected).abs() < 1e-9 * (1.0 + expected.abs()), "{}: {}", edit.words, parent.json());
                }
                *compared.entry(mutation.name).or_insert(0) += 1;
            }
        }
    }
    for name in ["deepen", "widen", "grow_kernel"] {
        assert!(compared.get(name).is_some_and(|&times| times >= 3), "{compared:?}");
    }
}
