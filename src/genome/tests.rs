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

/// Every space with a generator of its own.
fn each(seed: u64) -> impl Iterator<Item = (SearchSpace, ChaCha8Rng)> {
    spaces().into_iter().map(move |space| (space, ChaCha8Rng::seed_from_u64(seed)))
}

#[track_caller]
fn assert_valid(space: &SearchSpace, genome: &Genome, how: &str) {
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
fn seeds_are_valid_and_distinct() {
    for space in spaces() {
        let seeds = space.seeds();
        assert!((3..=8).contains(&seeds.len()), "{} seeds in {:?}", seeds.len(), space.domain);
        for (index, seed) in seeds.iter().enumerate() {
            assert_valid(&space, seed, "seed");
            assert!(seeds[..index].iter().all(|other| other.hash() != seed.hash()));
        }
    }
}

#[test]
fn chains_of_mutations_stay_valid() {
    for (space, mut rng) in each(3) {
        let mut genome = space.birth(&mut rng);
        let mut done = 0;
        while done < 1_000 {
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
            let (a, b) = (space.birth(&mut rng), space.birth(&mut rng));
            for crossover in crossover::ALL {
                let Some(edit) = (crossover.apply)(&space, &a, &b, &mut rng) else { continue };
                assert_valid(&space, &edit.genome, crossover.name);
                assert!(edit.genome.hash() != a.hash() && edit.genome.hash() != b.hash(), "{}", crossover.name);
                done += 1;
            }
        }
    }
}

#[test]
fn distance_keeps_its_laws() {
    for (space, mut rng) in each(5) {
        for _ in 0..200 {
            let (a, b, c) = (space.birth(&mut rng), space.birth(&mut rng), space.birth(&mut rng));
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
