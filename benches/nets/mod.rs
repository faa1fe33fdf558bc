//! The nets that benches time, as genomes with their tasks. They are those of `peers/nets.py`, layer for layer.

use evolve::data::{InputSpec, NumericFeature, OutputSpec, Task, TaskKind};
use evolve::engine::{Choice, Device, Engine, FeedMut, Request, Session, select};
use evolve::express::{initialise, training_step};
use evolve::genome::{
    Act, Augmentation, CategoricalEncoding, ConvBlock, ConvMotif, Downsample, Genome, GlobalPool, Head, ImageNet,
    Initialisation, Loss, Net, Norm, NumericEncoding, Optimizer, Schedule, Stage, Stem, TableBlock, TableMotif, TableNet,
    Training,
};

use evolve::graph::Target;
use evolve::train;
use std::sync::Arc;

/// Rows of a training batch.
pub const BATCH: usize = 128;

/// A net by name: `mlp`, `cnn`, `dw` or `res`.
pub fn net(name: &str) -> Option<(Genome, Task)> {
    let (net, input) = match name {
        "mlp" => (mlp(), table(784)),
        "cnn" => (cnn(), image(28, 1)),
        "dw" => (dw(), image(28, 1)),
        "res" => (res(), image(32, 3)),
        _ => return None,
    };
    Some((Genome { net, training: training() }, task(input)))
}

/// Names that [`net`] knows.
pub const NAMES: [&str; 4] = ["mlp", "cnn", "dw", "res"];

fn task(input: InputSpec) -> Task {
    let names = (0..10).map(|c| c.to_string()).collect();
    let output = OutputSpec::Classes { names, integers: true, counts: vec![100; 10] };
    Task { kind: TaskKind::Multiclass, input, output }
}

fn table(features: usize) -> InputSpec {
    let numeric = (0..features).map(|i| NumericFeature { name: format!("f{i}"), knots: vec![] }).collect();
    InputSpec::Table { numeric, categorical: vec![] }
}

fn image(side: usize, channels: usize) -> InputSpec {
    InputSpec::Image { height: side, width: side, channels, mean: vec![128.0; channels], std: vec![64.0; channels] }
}

fn training() -> Training {
    Training {
        optimizer: Optimizer::Adam { beta2: 0.999 },
        learning_rate: 1e-3,
        schedule: Schedule::Constant,
        weight_decay: 0.0,
        label_smoothing: 0.0,
        batch: BATCH,
        initialisation: Initialisation::HeNormal,
        loss: Loss::CrossEntropy,
        augmentation: Augmentation::default(),
        length: 1.0,
    }
}

/// 784-256-128-10 with ReLU.
fn mlp() -> Net {
    let block = |width| TableBlock { motif: TableMotif::Linear, width, dropout: 0.0 };
    Net::Table(TableNet {
        numeric: NumericEncoding::Plain,
        categorical: CategoricalEncoding::OneHot,
        norm: Norm::None,
        activation: Act::Relu,
        blocks: vec![block(256), block(128)],
    })
}

fn block(motif: ConvMotif) -> ConvBlock {
    let skip = matches!(motif, ConvMotif::Residual | ConvMotif::Bottleneck);
    ConvBlock { motif, kernel: 3, dilation: 1, groups: 1, quarters: 4, branches: 1, skip }
}

fn image_net(stem: Stem, stages: Vec<Stage>) -> Net {
    let head = Head { pool: GlobalPool::Average, hidden: 0, dropout: 0.0 };
    Net::Image(ImageNet { stem, stages, norm: Norm::Batch, activation: Act::Relu, head })
}

/// Three convolutions 3×3 of 32, 64, 128 channels, each with batch norm and ReLU, 2×2 maximum pools between them.
fn cnn() -> Net {
    let stage = |width| Stage { down: Downsample::MaxPool, width, blocks: vec![block(ConvMotif::ConvNormAct)] };
    image_net(Stem { width: 32, kernel: 3, stride: 1 }, vec![stage(64), stage(128)])
}

/// A stem of stride 2, then four blocks 1×1, depthwise 3×3, at 14×14 with 64 channels.
fn dw() -> Net {
    let stage = Stage { down: Downsample::None, width: 64, blocks: vec![block(ConvMotif::ConvDepthwise); 4] };
    image_net(Stem { width: 64, kernel: 3, stride: 2 }, vec![stage])
}

/// A residual block each of 16, 32, 64 channels at 32×32, 16×16, 8×8, with maximum pools between.
fn res() -> Net {
    let stage = |down, width| Stage { down, width, blocks: vec![block(ConvMotif::Residual)] };
    let stages = vec![stage(Downsample::None, 16), stage(Downsample::MaxPool, 32), stage(Downsample::MaxPool, 64)];
    image_net(Stem { width: 16, kernel: 3, stride: 1 }, stages)
}

/// The training step of a net, loaded with drawn weights and filled feeds.
pub fn session(name: &str, target: Target, engine: &dyn Engine) -> Box<dyn Session> {
    let (genome, task) = net(name).expect("a known net");
    let step = training_step(&genome, &task, BATCH).expect("a valid net");
    let mut session = train::load(&step, engine, target).expect("a session");
    let mut rng = train::random(0, 0);
    for (slot, param) in step.params.iter().enumerate() {
        let tensor = initialise(param, genome.training.initialisation, &mut rng);
        session.write_state(slot, tensor.as_f32().expect("floats")).expect("state");
    }
    for (slot, feed) in step.feeds.iter().enumerate() {
        if let FeedMut::F32(values) = session.feed(slot) {
            fill(&feed.name, values);
        }
    }
    session
}

/// ONNX Runtime on the CPU.
pub fn engine() -> Arc<dyn Engine> {
    let request = Request { engine: Choice::OnnxRuntime, device: Device::Cpu, runtime: None, offline: false };
    select(&request).expect("ONNX Runtime").engine
}

/// Fills a feed with what looks like data; each row's target is the next class.
fn fill(name: &str, values: &mut [f32]) {
    match name {
        "lr" => values[0] = 1e-3,
        "wd" => values[0] = 0.0,
        "c1" | "c2" | "weights" => values.fill(1.0),
        "targets" => values.iter_mut().enumerate().for_each(|(i, v)| *v = f32::from(u8::from(i % 10 == i / 10 % 10))),
        _ => values.iter_mut().enumerate().for_each(|(i, v)| *v = ((i as f32) * 0.7).sin()),
    }
}
