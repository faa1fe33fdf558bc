//! Laws over random genomes of several domains.

use super::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Domains that differ in kind, size and task.
pub(super) fn domains() -> Vec<Domain> {
    let table = |knots: Vec<usize>, slots: Vec<usize>, outputs, rows| Domain {
        input: InputDomain::Table { knots, slots },
        outputs,
        classification: outputs > 1,
        rows,
    };
    let image = |height, width, channels, outputs, rows| Domain {
        input: InputDomain::Image { height, width, channels },
        outputs,
        classification: outputs > 1,
        rows,
    };
    vec![
        table(vec![33, 49, 20, 0, 2], vec![9, 17, 43], 2, 30_000),
        table(vec![49; 8], vec![], 1, 800),
        table(vec![], vec![4, 4, 12], 3, 500),
        table(vec![49; 784], vec![], 10, 50_000),
        table(vec![0, 1], vec![3], 2, 20),
        image(8, 8, 1, 10, 1_400),
        image(28, 28, 1, 10, 54_000),
        image(64, 64, 3, 12, 2_000),
        image(15, 40, 3, 1, 9_000),
        image(3, 2, 1, 2, 100),
    ]
}

pub(super) fn spaces() -> Vec<SearchSpace> {
    domains().iter().map(SearchSpace::preset).collect()
}

#[test]
fn births_are_valid_and_canonical() {
    for space in spaces() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..1_000 {
            let genome = space.birth(&mut rng);
            assert_eq!(space.contains(&genome), Ok(()), "{}", genome.json());
            assert_eq!(genome.canonical(), genome);
        }
    }
}

#[test]
fn seeds_are_valid_and_distinct() {
    for space in spaces() {
        let seeds = space.seeds();
        assert!(seeds.len() >= 3, "{:?}", space.domain);
        for (index, seed) in seeds.iter().enumerate() {
            assert_eq!(space.contains(seed), Ok(()), "{}", seed.json());
            assert!(seeds[..index].iter().all(|other| other.hash() != seed.hash()));
        }
    }
}

#[test]
fn chains_of_mutations_stay_valid_and_change_the_genome() {
    for space in spaces() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut genome = space.birth(&mut rng);
        for _ in 0..1_000 {
            let mutation = mutation::ALL[rng.random_range(0..mutation::ALL.len())];
            let Some(edit) = (mutation.apply)(&space, &genome, &mut rng) else { continue };
            assert_eq!(space.contains(&edit.genome), Ok(()), "{}: {}", mutation.name, edit.words);
            assert_ne!(edit.genome.hash(), genome.hash(), "{}: {}", mutation.name, edit.words);
            assert!(distance(&edit.genome, &genome) > 0.0, "{}: {}", mutation.name, edit.words);
            assert!(!mutation.preserving || preserves(&genome, &edit.genome), "{}: {}", mutation.name, edit.words);
            genome = edit.genome;
        }
    }
}
