use super::*;
use crate::genome::{
    ConvBlock, Downsample, Genome, Net, NumericEncoding, Optimizer, TableBlock, macs, parameters,
    tests::{ancestral, any, domains, spaces},
};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Numbers that genes may be set to by a hand or a foreign program.
fn wild() -> impl Strategy<Value = usize> {
    prop_oneof![0..10usize, 0..5_000usize]
}

fn wild_float() -> impl Strategy<Value = f32> {
    prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(-1.0f32), 0.0f32..1e-6, 0.0f32..100.0]
}

/// Sets genes of a genome to anything, in an order that the numbers decide.
fn spoil(genome: &mut Genome, numbers: &[usize], floats: &[f32]) {
    let mut numbers = numbers.iter().copied().cycle();
    let mut floats = floats.iter().copied().cycle();
    let mut number = || numbers.next().unwrap_or(0);
    let mut float = || floats.next().unwrap_or(0.0);
    match &mut genome.net {
        Net::Table(net) => {
            net.numeric = match number() % 3 {
                0 => NumericEncoding::Plain,
                1 => NumericEncoding::Piecewise { bins: number(), dim: number() },
                _ => NumericEncoding::Periodic { frequencies: number(), sigma: float(), dim: number() },
            };
            let motif = net.blocks[0].motif;
            net.blocks = (0..number() % 20).map(|_| TableBlock { motif, width: number(), dropout: float() }).collect();
        }
        Net::Image(net) => {
            (net.stem.width, net.stem.kernel, net.stem.stride) = (number(), number(), number());
            (net.head.hidden, net.head.dropout) = (number(), float());
            for stage in &mut net.stages {
                stage.width = number();
                stage.down = [Downsample::None, Downsample::MaxPool, Downsample::Stride][number() % 3];
                for block in &mut stage.blocks {
                    *block = ConvBlock {
                        kernel: number(),
                        dilation: number(),
                        groups: number(),
                        quarters: number(),
                        branches: number(),
                        skip: number() % 2 == 0,
                        ..*block
                    };
                }
            }
            let again = net.stages.clone();
            net.stages.extend(again.into_iter().cycle().take(number() % 12));
            net.stages.truncate(number() % 12);
        }
        Net::Ancestor(net) => {
            (net.width, net.depth, net.resolution, net.dropout) = (number(), number(), number(), float());
        }
    }
    let training = &mut genome.training;
    training.optimizer = [Optimizer::Sgd { momentum: float() }, Optimizer::Adam { beta2: float() }][number() % 2];
    (training.learning_rate, training.weight_decay, training.label_smoothing) = (float(), float(), float());
    training.batch = number();
    (training.augmentation.shift, training.augmentation.cutout) = (number(), number());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn repair_makes_anything_valid(
        which in 0..11usize,
        seed: u64,
        numbers in prop::collection::vec(wild(), 1..60),
        floats in prop::collection::vec(wild_float(), 1..20),
    ) {
        let space = spaces().into_iter().chain([ancestral()]).nth(which).unwrap();
        let mut genome = any(&space, &mut ChaCha8Rng::seed_from_u64(seed));
        spoil(&mut genome, &numbers, &floats);
        space.repair(&mut genome);
        prop_assert_eq!(space.contains(&genome), Ok(()), "{}", genome.json());
    }
}

#[test]
fn lower_caps_are_met_too() {
    for mut space in spaces() {
        let smallest = space.smallest_cost();
        space.max_parameters = 2 * smallest.parameters;
        space.max_macs = 2 * smallest.macs;
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..50 {
            let genome = space.birth(&mut rng);
            assert_eq!(space.contains(&genome), Ok(()), "{}", genome.json());
        }
    }
}

#[test]
fn seeds_fit_without_being_narrowed_much() {
    // The first seed for 28×28×1 has 32 channels in the stem, then 64 and 128 after pools.
    let space = &spaces()[6];
    let Net::Image(net) = &space.seeds()[0].net else { panic!("a net for images") };
    assert_eq!(net.stages.iter().map(|stage| stage.width).collect::<Vec<_>>(), [64, 128]);
    assert_eq!(macs(&space.seeds()[0], &space.domain), 9 * 32 * 784 + 9 * 32 * 64 * 196 + 9 * 64 * 128 * 49 + 1280);
}

#[test]
fn reasons_name_the_gene() {
    let spaces = spaces();
    let spoilt = |space: &SearchSpace, spoil: &dyn Fn(&mut Genome)| {
        let mut genome = space.seeds()[0].clone();
        spoil(&mut genome);
        space.contains(&genome).unwrap_err()
    };
    let image = |change: &'static dyn Fn(&mut crate::genome::ImageNet)| {
        spoilt(&spaces[6], &|genome| {
            if let Net::Image(net) = &mut genome.net {
                change(net);
            }
        })
    };
    assert_eq!(
        spoilt(&spaces[0], &|genome| genome.training.learning_rate = f32::NAN),
        "learning_rate: NaN is not within 0.00001 to 1"
    );
    assert_eq!(image(&|net| net.stages[1].blocks[0].kernel = 4), "stages.1.blocks.0 kernel: 4 is not one of [1, 3, 5, 7]");
    assert_eq!(image(&|net| net.stages.clear()), "stages: 0 is not within 1 to 6");
    assert_eq!(
        image(&|net| net.stages[0].blocks[0].dilation = 1000),
        "stages.0.blocks.0 dilation: 1000 is not one of [1, 2, 3]"
    );
    assert!(
        image(&|net| net.stages = vec![net.stages[1].clone(); 5]).starts_with("stages.3 down: cannot halve a side of 3")
    );
}

#[test]
fn spaces_round_trip_and_know_their_smallest_net() {
    for (domain, space) in domains().iter().zip(spaces()) {
        let text = serde_json::to_string(&space).unwrap();
        assert_eq!(serde_json::from_str::<SearchSpace>(&text).unwrap(), space);
        let batches = &space.training.batches;
        assert!(!batches.is_empty() && batches.is_sorted() && batches[0] <= domain.rows);
        let smallest = space.smallest_cost();
        assert!(4 * smallest.parameters <= space.max_parameters && 4 * smallest.macs <= space.max_macs);
        assert!(parameters(&space.plain(), domain) < u64::MAX);
    }
}
