use super::*;
use crate::genome::{
    count::parameters,
    distance,
    tests::{ancestral, any, spaces},
};
use rand::SeedableRng;
use std::collections::BTreeSet;

#[test]
fn the_list_has_every_entry_of_the_folder() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/genome/mutation");
    let mut entries = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        entries +=
            text.lines().filter(|line| line.starts_with("pub(super) static ") && line.contains(": Mutation =")).count();
    }
    assert_eq!(entries, ALL.len());
}

#[test]
fn names_are_unique_and_documented() {
    let names: BTreeSet<&str> = ALL.iter().map(|mutation| mutation.name).collect();
    assert_eq!(names.len(), ALL.len());
    for mutation in ALL {
        assert!(mutation.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{}", mutation.name);
        assert!(mutation.doc.len() > 10 && !mutation.doc.ends_with('.'), "{}", mutation.name);
    }
}

fn blocks(genome: &Genome) -> usize {
    match &genome.net {
        Net::Table(net) => net.blocks.len(),
        Net::Image(net) => positions(net).len(),
        Net::Ancestor(_) => 0,
    }
}

#[test]
fn each_applies_somewhere_and_does_what_its_kind_says() {
    let spaces: Vec<SearchSpace> = spaces().into_iter().chain([ancestral()]).collect();
    for mutation in ALL {
        let mut applied = 0;
        for (number, space) in spaces.iter().enumerate() {
            let mut rng = ChaCha8Rng::seed_from_u64(number as u64);
            for _ in 0..60 {
                let parent = any(space, &mut rng);
                let Some(edit) = (mutation.apply)(space, &parent, &mut rng) else { continue };
                applied += 1;
                assert_eq!(space.contains(&edit.genome), Ok(()), "{}", edit.words);
                assert_ne!(edit.genome.hash(), parent.hash(), "{}", edit.words);
                assert!(!edit.words.is_empty() && distance(&edit.genome, &parent) > 0.0);
                match mutation.kind {
                    Kind::Training | Kind::Start => assert!(preserves(&parent, &edit.genome), "{}", edit.words),
                    Kind::Architecture => assert_ne!(edit.genome.net, parent.net, "{}", edit.words),
                }
                if mutation.growing && !edit.words.ends_with("repaired") {
                    let size = |genome: &Genome| (blocks(genome), parameters(genome, &space.domain));
                    assert!(size(&edit.genome) > size(&parent), "{}", edit.words);
                }
                if mutation.preserving {
                    assert!(preserves(&parent, &edit.genome), "{}", edit.words);
                    assert!(!edit.words.ends_with("repaired"), "{}", edit.words);
                }
            }
        }
        assert!(applied >= 10, "{} applied {applied} times", mutation.name);
    }
}

#[test]
fn applies_to_hostile_parents_without_panic() {
    // Genomes of one space given to another, as a journal of other data would.
    let spaces: Vec<SearchSpace> = spaces().into_iter().chain([ancestral()]).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for space in &spaces {
        for other in &spaces {
            let parent = any(other, &mut rng);
            for mutation in ALL {
                if let Some(edit) = (mutation.apply)(space, &parent, &mut rng) {
                    assert_eq!(space.contains(&edit.genome), Ok(()), "{}", edit.words);
                }
            }
        }
    }
}
