//! One spelling for genomes that mean the same, and the hash of it.

use super::{
    genes::{
        Act, Augmentation, ConvBlock, ConvMotif, Genome, ImageNet, Loss, Net, Optimizer, Stage, TableMotif, TableNet,
        Training,
    },
    shape::{always_skips, downsampling, has_branches, has_groups, hidden_width},
};
use sha2::{Digest, Sha256};
use std::fmt::Write;

impl Genome {
    /// The genome with every gene that changes neither the function nor its training at its default: groups, quarters
    /// and branches of motifs that have none, the dilation of a 1×1 kernel, quarters beyond the least that give the
    /// same width, a stride that means a pool, the activation of a net whose blocks are all gated, Adam without weight
    /// decay (AdamW), label smoothing of a regression, augmentation of tables, a depth that gives an ancestor as many blocks
    /// as one nearer to the published.
    pub fn canonical(&self) -> Self {
        let mut genome = self.clone();
        match &mut genome.net {
            Net::Table(net) => {
                table(net);
                genome.training.augmentation = Augmentation::default();
            }
            Net::Image(net) => image(net),
            Net::Ancestor(net) => net.depth = net.plain_depth(),
        }
        training(&mut genome.training);
        genome
    }

    /// Identity of the genome: the first 16 hexadecimal digits of the SHA-256 of its canonical JSON.
    pub fn hash(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(self.canonical().json());
        digest.finalize().iter().take(8).fold(String::with_capacity(16), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// The genome as one line of JSON. Genes have a fixed order.
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("genes are numbers, names and lists, which all have a JSON form")
    }
}

fn table(net: &mut TableNet) {
    if net.blocks.iter().all(|block| block.motif == TableMotif::Gated) {
        net.activation = Act::Relu;
    }
}

fn image(net: &mut ImageNet) {
    for stage in &mut net.stages {
        stage.down = downsampling(stage);
        let Stage { width, blocks, .. } = stage;
        for block in blocks {
            conv_block(block, *width);
        }
    }
}

fn conv_block(block: &mut ConvBlock, width: usize) {
    if !has_groups(block.motif) {
        block.groups = 1;
    }
    if !has_branches(block.motif) {
        block.branches = 1;
    }
    // An inception of its 1×1 branch alone has no spatial convolution.
    if block.motif == ConvMotif::Inception && block.branches == 1 {
        block.kernel = 1;
    }
    if block.kernel == 1 {
        block.dilation = 1;
    }
    block.skip |= always_skips(block.motif);
    block.quarters = fewest_quarters(block, width);
}

/// The least number of quarters that gives the block the same hidden width; 4 where it has none.
fn fewest_quarters(block: &ConvBlock, width: usize) -> usize {
    let Some(hidden) = hidden_width(block, width, block.quarters) else { return 4 };
    // Hidden widths grow with the quarters, so halving the range finds the first that reaches `hidden`.
    let (mut low, mut high) = (1, block.quarters.max(1));
    while low < high {
        let middle = low + (high - low) / 2;
        if hidden_width(block, width, middle).is_some_and(|width| width >= hidden) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

fn training(training: &mut Training) {
    // Without decay there is nothing to couple.
    if let Optimizer::Adam { beta2 } = training.optimizer
        && training.weight_decay == 0.0
    {
        training.optimizer = Optimizer::AdamW { beta2 };
    }
    if training.loss != Loss::CrossEntropy {
        training.label_smoothing = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::{
        CategoricalEncoding, Downsample, GlobalPool, Head, Initialisation, Norm, NumericEncoding, Schedule, Stem,
        TableBlock, tests::spaces,
    };

    /// A net for tables and one for images, with nothing at its default.
    fn examples() -> (Genome, Genome) {
        let spaces = spaces();
        (spaces[0].seeds()[0].clone(), spaces[6].seeds()[4].clone())
    }

    fn image(genome: &mut Genome) -> &mut ImageNet {
        match &mut genome.net {
            Net::Image(net) => net,
            _ => panic!("a net for images"),
        }
    }

    #[test]
    fn genes_without_effect_do_not_reach_the_hash() {
        let (table, photo) = examples();
        let mut same = photo.clone();
        let block = &mut image(&mut same).stages[1].blocks[0];
        (block.groups, block.quarters, block.branches, block.skip) = (4, 7, 3, false);
        assert_eq!(block.motif, ConvMotif::Residual);
        assert_eq!(same.hash(), photo.hash());

        let mut pointwise = photo.clone();
        image(&mut pointwise).stages[1].blocks[0].kernel = 1;
        let mut dilated = pointwise.clone();
        image(&mut dilated).stages[1].blocks[0].dilation = 2;
        assert_eq!(dilated.hash(), pointwise.hash());

        let mut augmented = table.clone();
        augmented.training.augmentation = Augmentation { flip: true, shift: 2, cutout: 3 };
        assert_eq!(augmented.hash(), table.hash());

        let mut adam = table.clone();
        adam.training.weight_decay = 0.0;
        let mut adam_w = adam.clone();
        adam.training.optimizer = Optimizer::Adam { beta2: 0.99 };
        adam_w.training.optimizer = Optimizer::AdamW { beta2: 0.99 };
        assert_eq!(adam.hash(), adam_w.hash());
        (adam.training.weight_decay, adam_w.training.weight_decay) = (0.01, 0.01);
        assert_ne!(adam.hash(), adam_w.hash());

        let mut huber = table.clone();
        huber.training.loss = Loss::Huber;
        let mut smooth = huber.clone();
        smooth.training.label_smoothing = 0.1;
        assert_eq!(smooth.hash(), huber.hash());
    }

    #[test]
    fn a_stride_that_is_a_pool_is_called_one() {
        let (_, mut pooled) = examples();
        let stage = &mut image(&mut pooled).stages[1];
        stage.blocks[0].motif = ConvMotif::Dense;
        stage.down = Downsample::MaxPool;
        let mut strided = pooled.clone();
        image(&mut strided).stages[1].down = Downsample::Stride;
        assert_eq!(strided.hash(), pooled.hash());
    }

    #[test]
    fn quarters_that_give_one_width_are_one() {
        let (_, mut genome) = examples();
        let stage = &mut image(&mut genome).stages[1];
        stage.width = 32;
        stage.blocks[0].motif = ConvMotif::Inception;
        stage.blocks[0].branches = 3;
        let hashes: Vec<String> = (1..=8)
            .map(|quarters| {
                image(&mut genome).stages[1].blocks[0].quarters = quarters;
                genome.hash()
            })
            .collect();
        // 32·q/16 is at least 8 channels: 8 for q up to 4, then 10, 12, 14, 16.
        assert!(hashes[..4].iter().all(|hash| *hash == hashes[0]));
        assert_eq!(hashes[3..].iter().collect::<std::collections::BTreeSet<_>>().len(), 5);
        image(&mut genome).stages[1].blocks[0].quarters = usize::MAX;
        assert_eq!(genome.hash().len(), 16);
    }

    #[test]
    fn genes_with_effect_reach_the_hash() {
        let (table, photo) = examples();
        let changed = |genome: &Genome, change: &dyn Fn(&mut Genome)| {
            let mut genome = genome.clone();
            change(&mut genome);
            genome.hash()
        };
        let changes: [&dyn Fn(&mut Genome); 4] = [
            &|genome| genome.training.batch += 1,
            &|genome| genome.training.learning_rate *= 1.01,
            &|genome| genome.training.label_smoothing += 0.01,
            &|genome| genome.training.schedule = Schedule::Constant,
        ];
        for change in changes {
            assert_ne!(changed(&table, change), table.hash());
            assert_ne!(changed(&photo, change), photo.hash());
        }
        assert_ne!(changed(&photo, &|genome| genome.training.augmentation.flip ^= true), photo.hash());
        assert_ne!(changed(&photo, &|genome| image(genome).head.dropout = 0.3), photo.hash());
    }

    #[test]
    fn the_activation_of_gated_nets_does_not_count() {
        let gated = |activation| {
            let block = TableBlock { motif: TableMotif::Gated, width: 64, dropout: 0.0 };
            let (mut genome, _) = examples();
            if let Net::Table(net) = &mut genome.net {
                *net = TableNet {
                    activation,
                    norm: Norm::Batch,
                    numeric: NumericEncoding::Plain,
                    blocks: vec![block],
                    ..net.clone()
                };
            }
            genome.hash()
        };
        assert_eq!(gated(Act::Tanh), gated(Act::Silu));
    }

    /// Journals and exported models carry these texts: change them only together with a way of reading the old ones.
    #[test]
    fn the_json_of_a_table_genome() {
        let genome = Genome {
            net: Net::Table(TableNet {
                numeric: NumericEncoding::Periodic { frequencies: 16, sigma: 0.3, dim: 8 },
                categorical: CategoricalEncoding::Embedding { dim: 4 },
                norm: Norm::Batch,
                activation: Act::LeakyRelu,
                blocks: vec![
                    TableBlock { motif: TableMotif::Linear, width: 192, dropout: 0.0 },
                    TableBlock { motif: TableMotif::Residual, width: 384, dropout: 0.15 },
                ],
            }),
            training: Training {
                optimizer: Optimizer::AdamW { beta2: 0.999 },
                learning_rate: 0.00213,
                schedule: Schedule::OneCycle,
                weight_decay: 0.01,
                label_smoothing: 0.0,
                batch: 128,
                initialisation: Initialisation::HeNormal,
                loss: Loss::CrossEntropy,
                augmentation: Augmentation::default(),
                length: 0.25,
            },
        };
        let text = concat!(
            r#"{"net":{"table":{"numeric":{"periodic":{"frequencies":16,"sigma":0.3,"dim":8}},"#,
            r#""categorical":{"embedding":{"dim":4}},"norm":"batch","activation":"leaky_relu","#,
            r#""blocks":[{"motif":"linear","width":192,"dropout":0.0},{"motif":"residual","width":384,"dropout":0.15}]}},"#,
            r#""training":{"optimizer":{"adam_w":{"beta2":0.999}},"learning_rate":0.00213,"schedule":"one_cycle","#,
            r#""weight_decay":0.01,"label_smoothing":0.0,"batch":128,"initialisation":"he_normal","loss":"cross_entropy","#,
            r#""augmentation":{"flip":false,"shift":0,"cutout":0},"length":0.25}}"#,
        );
        assert_eq!(genome.json(), text);
        assert_eq!(serde_json::from_str::<Genome>(text).unwrap(), genome);
        assert_eq!(genome.hash(), "2f1be25f833968c3");
    }

    #[test]
    fn the_json_of_an_image_genome() {
        let block = ConvBlock {
            motif: ConvMotif::Bottleneck,
            kernel: 3,
            dilation: 1,
            groups: 4,
            quarters: 2,
            branches: 1,
            skip: true,
        };
        let genome = Genome {
            net: Net::Image(ImageNet {
                stem: Stem { width: 32, kernel: 3, stride: 1 },
                stages: vec![Stage { down: Downsample::MaxPool, width: 64, blocks: vec![block] }],
                norm: Norm::Layer,
                activation: Act::Silu,
                head: Head { pool: GlobalPool::Average, hidden: 64, dropout: 0.1 },
            }),
            training: Training {
                optimizer: Optimizer::Sgd { momentum: 0.9 },
                learning_rate: 0.08,
                schedule: Schedule::WarmupCosine,
                weight_decay: 5e-4,
                label_smoothing: 0.05,
                batch: 64,
                initialisation: Initialisation::LecunNormal,
                loss: Loss::CrossEntropy,
                augmentation: Augmentation { flip: true, shift: 2, cutout: 7 },
                length: 1.0,
            },
        };
        let text = concat!(
            r#"{"net":{"image":{"stem":{"width":32,"kernel":3,"stride":1},"stages":[{"down":"max_pool","width":64,"#,
            r#""blocks":[{"motif":"bottleneck","kernel":3,"dilation":1,"groups":4,"quarters":2,"branches":1,"skip":true}]}],"#,
            r#""norm":"layer","activation":"silu","head":{"pool":"average","hidden":64,"dropout":0.1}}},"#,
            r#""training":{"optimizer":{"sgd":{"momentum":0.9}},"learning_rate":0.08,"schedule":"warmup_cosine","#,
            r#""weight_decay":0.0005,"label_smoothing":0.05,"batch":64,"initialisation":"lecun_normal","#,
            r#""loss":"cross_entropy","augmentation":{"flip":true,"shift":2,"cutout":7}}}"#,
        );
        assert_eq!(genome.json(), text);
        assert_eq!(serde_json::from_str::<Genome>(text).unwrap(), genome);
        assert_eq!(genome.hash(), "e520c1ca8ae8bfa3");
    }
}
