//! Laws over random genomes of several domains.

use super::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Domains that differ in kind, size and task.
pub(super) fn domains() -> Vec<Domain> {
    let domain = |input, outputs, rows| Domain { input, outputs, classification: outputs > 1, rows };
    let table = |knots: &[usize], slots: &[usize]| InputDomain::Table { knots: knots.to_vec(), slots: slots.to_vec() };
    let image = |height, width, channels| InputDomain::Image { height, width, channels };
    vec![
        domain(table(&[33, 49, 20, 0, 2], &[9, 17, 43]), 2, 30_000),
        domain(table(&[49; 8], &[]), 1, 800),
        domain(table(&[], &[4, 4, 12]), 3, 500),
        domain(table(&[49; 784], &[]), 10, 50_000),
        domain(table(&[0, 1], &[3]), 2, 20),
        domain(image(8, 8, 1), 10, 1_400),
        domain(image(28, 28, 1), 10, 54_000),
        domain(image(64, 64, 3), 12, 2_000),
        domain(image(15, 40, 3), 1, 9_000),
        domain(image(3, 2, 1), 2, 100),
    ]
}

pub(super) fn spaces() -> Vec<SearchSpace> {
    domains().iter().map(SearchSpace::preset).collect()
}

/// A space for images that are large enough for all ancestors, with all of them.
pub(super) fn ancestral() -> SearchSpace {
    let input = InputDomain::Image { height: 80, width: 96, channels: 3 };
    let domain = Domain { input, outputs: 12, classification: true, rows: 2_000 };
    SearchSpace::preset(&domain).with_ancestors(&Ancestor::all().collect::<Vec<_>>()).unwrap()
}

/// A birth, or, where the space has ancestors, more often one of them.
pub(super) fn any(space: &SearchSpace, rng: &mut ChaCha8Rng) -> Genome {
    let ancestors: Vec<Genome> = space.seeds().into_iter().filter(|seed| matches!(seed.net, Net::Ancestor(_))).collect();
    match ancestors.len() {
        0 => space.birth(rng),
        _ if rng.random_bool(0.2) => space.birth(rng),
        count => ancestors[rng.random_range(0..count)].clone(),
    }
}

/// Every space with a generator of its own.
fn each(seed: u64) -> impl Iterator<Item = (SearchSpace, ChaCha8Rng)> {
    spaces().into_iter().chain([ancestral()]).map(move |space| (space, ChaCha8Rng::seed_from_u64(seed)))
}

#[track_caller]
pub(super) fn assert_valid(space: &SearchSpace, genome: &Genome, how: &str) {
    assert_eq!(space.contains(genome), Ok(()), "{how}: {}", genome.json());
    assert_eq!(genome.canonical(), *genome, "{how}: not canonical");
    let read: Genome = serde_json::from_str(&genome.json()).unwrap();
    assert_eq!(read, *genome, "{how}: JSON does not round-trip");
    let mut repaired = genome.clone();
    space.repair(&mut repaired);
    assert_eq!(repaired, *genome, "{how}: repair changes a valid genome");
}

#[test]
fn births_are_valid() {
    for (space, mut rng) in each(1) {
        for _ in 0..1_000 {
            assert_valid(&space, &space.birth(&mut rng), "birth");
            let small = space.small(&mut rng);
            assert_valid(&space, &small, "small birth");
            assert!(match &small.net {
                Net::Table(net) => net.blocks.len() == 1,
                Net::Image(net) => net.stages.len() == 1 && net.stages[0].blocks.len() == 1,
                Net::Ancestor(_) => false,
            });
        }
    }
}

#[test]
fn births_differ_and_repeat_with_their_seed() {
    for (space, rng) in each(2) {
        let births = |mut rng: ChaCha8Rng| (0..50).map(|_| space.birth(&mut rng).hash()).collect::<Vec<_>>();
        let hashes = births(rng.clone());
        assert_eq!(hashes, births(rng));
        let distinct: std::collections::BTreeSet<&String> = hashes.iter().collect();
        assert!(distinct.len() >= 45, "{} distinct births in {:?}", distinct.len(), space.domain);
    }
}

#[test]
fn births_have_the_decay_of_their_optimizer() {
    let mut coupled = 0;
    for (space, mut rng) in each(4) {
        for birth in (0..300).map(|_| space.birth(&mut rng)) {
            let decoupled = matches!(birth.training.optimizer, Optimizer::AdamW { .. });
            coupled += usize::from(!decoupled);
            assert!(decoupled || birth.training.weight_decay <= 1e-3, "{}", birth.json());
        }
    }
    assert!(coupled > 100, "{coupled}");
}

#[test]
fn seeds_are_valid_and_distinct() {
    for space in spaces().into_iter().chain([ancestral()]) {
        let seeds = space.seeds();
        assert!((3..=8 + space.ancestors.len()).contains(&seeds.len()), "{} seeds in {:?}", seeds.len(), space.domain);
        for (index, seed) in seeds.iter().enumerate() {
            assert_valid(&space, seed, "seed");
            assert!(seeds[..index].iter().all(|other| other.hash() != seed.hash()));
        }
    }
}

#[test]
fn chains_of_mutations_stay_valid() {
    for (space, mut rng) in each(3) {
        let mut genome = any(&space, &mut rng);
        let mut done = 0;
        while done < 1_000 {
            if done % 100 == 0 {
                genome = any(&space, &mut rng);
            }
            let mutation = mutation::ALL[rng.random_range(0..mutation::ALL.len())];
            let Some(edit) = (mutation.apply)(&space, &genome, &mut rng) else { continue };
            let how = format!("{}: {}", mutation.name, edit.words);
            assert_valid(&space, &edit.genome, &how);
            assert_ne!(edit.genome.hash(), genome.hash(), "{how}");
            assert!(distance(&edit.genome, &genome) > 0.0, "{how}");
            assert!(!mutation.preserving || preserves(&genome, &edit.genome), "{how}");
            genome = edit.genome;
            done += 1;
        }
    }
}

#[test]
fn crossovers_are_valid_and_new() {
    for (space, mut rng) in each(4) {
        let mut done = 0;
        while done < 1_000 {
            let (a, b) = (any(&space, &mut rng), any(&space, &mut rng));
            for crossover in crossover::ALL {
                let Some(edit) = (crossover.apply)(&space, &a, &b, &mut rng) else { continue };
                assert_valid(&space, &edit.genome, crossover.name);
                assert!(edit.genome.hash() != a.hash() && edit.genome.hash() != b.hash(), "{}", crossover.name);
                done += 1;
            }
        }
    }
}

/// As [`any`], with ancestors at any scale.
fn scaled(space: &SearchSpace, rng: &mut ChaCha8Rng) -> Genome {
    let mut genome = any(space, rng);
    if let Net::Ancestor(net) = &mut genome.net {
        (net.width, net.depth, net.resolution) = (rng.random_range(1..17), rng.random_range(1..17), rng.random_range(8..17));
        space.repair(&mut genome);
    }
    genome
}

#[test]
fn distance_keeps_its_laws() {
    for (space, mut rng) in each(5) {
        for _ in 0..200 {
            let [a, b, c] = [(); 3].map(|()| scaled(&space, &mut rng));
            assert_eq!(distance(&a, &a), 0.0);
            assert_eq!(distance(&a, &b), distance(&b, &a));
            assert_eq!(distance(&a, &b) == 0.0, a.hash() == b.hash());
            assert!(distance(&a, &c) <= distance(&a, &b) + distance(&b, &c) + 1e-9);
        }
    }
}

#[test]
fn structure_weighs_more_than_training() {
    let space = &spaces()[6];
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    for _ in 0..200 {
        let parent = space.birth(&mut rng);
        let far = |mutation: &mutation::Mutation, rng: &mut ChaCha8Rng| {
            (mutation.apply)(space, &parent, rng).map(|edit| distance(&parent, &edit.genome))
        };
        let named = |name: &str| *mutation::ALL.iter().find(|mutation| mutation.name == name).unwrap();
        let inserted = far(named("insert_stage"), &mut rng);
        let trained = far(named("learning_rate"), &mut rng);
        assert!(inserted.is_none() || trained.is_none() || inserted > trained);
    }
}

#[test]
fn the_kind_of_input_decides() {
    let spaces = spaces();
    let (table, image) = (&spaces[0], &spaces[6]);
    let mut genome = image.seeds()[0].clone();
    assert!(table.contains(&genome).is_err());
    assert_eq!(parameters(&genome, &table.domain), u64::MAX);
    table.repair(&mut genome);
    assert_eq!(table.contains(&genome), Ok(()));
}

#[test]
fn ancestors_come_second_and_no_cap_keeps_them_out() {
    let mut space = ancestral();
    (space.max_parameters, space.max_macs) = (1_000_000, 10_000_000);
    let seeds = space.seeds();
    for (seed, ancestor) in seeds[1..].iter().zip(&space.ancestors) {
        assert_eq!(seed.net, Net::Ancestor(AncestorNet::published(*ancestor)));
        assert_eq!(space.contains(seed), Ok(()));
    }
    assert!(matches!(seeds[0].net, Net::Image(_)));
    // Twice its cost is as far as an ancestor grows.
    let mut large = seeds[1].clone();
    if let Net::Ancestor(net) = &mut large.net {
        (net.width, net.depth, net.resolution) = (16, 16, 16);
    }
    assert!(space.contains(&large).is_err());
    space.repair(&mut large);
    assert_eq!(space.contains(&large), Ok(()));
    assert!(parameters(&large, &space.domain) > parameters(&seeds[1], &space.domain) / 2);
}

#[test]
fn only_ancestors_that_were_asked_for_and_fit_are_in_a_space() {
    let space = ancestral();
    let genome = space.seeds()[1].clone();
    let plain = SearchSpace { ancestors: vec![], ..space.clone() };
    assert_eq!(plain.contains(&genome).unwrap_err(), "name: vgg16 is not one of []");
    let mut repaired = genome.clone();
    plain.repair(&mut repaired);
    assert_eq!(plain.contains(&repaired), Ok(()));

    let text = serde_json::to_string(&space).unwrap();
    assert_eq!(serde_json::from_str::<SearchSpace>(&text).unwrap(), space);
    assert!(serde_json::to_value(&plain).unwrap().get("ancestors").is_none());

    let find = |name: &str| ancestor::find(name).unwrap();
    let (table, small) = (spaces()[0].clone(), spaces()[6].clone());
    let error = table.with_ancestors(&[find("vgg16")]).unwrap_err();
    assert_eq!(error.to_string(), "ancestors such as vgg16 are nets for images, and this data is a table");
    let error = small.with_ancestors(&[find("resnet50"), find("vgg16")]).unwrap_err();
    assert!(error.to_string().starts_with("vgg16 does not fit images of 28×28: its layer stages.4.pool"), "{error}");
}

#[test]
fn crossover_mates_scales_and_training_of_ancestors_but_not_kinds() {
    let space = ancestral();
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let (image, a) = (space.seeds()[0].clone(), space.seeds()[1].clone());
    let mut b = a.clone();
    if let Net::Ancestor(net) = &mut b.net {
        (net.width, net.resolution) = (6, 10);
    }
    b.training.learning_rate *= 2.0;
    let named = |name: &str| *crossover::ALL.iter().find(|crossover| crossover.name == name).unwrap();
    let mixed = (0..20).find_map(|_| (named("uniform").apply)(&space, &a, &b, &mut rng)).unwrap();
    assert!(matches!(mixed.genome.net, Net::Ancestor(_)));
    for name in ["uniform", "splice"] {
        assert_eq!((named(name).apply)(&space, &a, &image, &mut rng), None);
    }
    let mated = (named("mate_training").apply)(&space, &a, &image, &mut rng).unwrap();
    assert_eq!((&mated.genome.net, &mated.genome.training), (&a.net, &image.training));
}

/// Journals and exported models carry this text.
#[test]
fn the_json_of_an_ancestor() {
    let genome = ancestral().seeds()[7].clone();
    let text = r#"{"net":{"ancestor":{"name":"efficientnet_b0","width":8,"depth":8,"resolution":8,"dropout":0.2}},"#;
    assert!(genome.json().starts_with(text), "{}", genome.json());
}
