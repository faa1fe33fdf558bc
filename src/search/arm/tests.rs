//! What every arm of the list has to hold.

use super::*;
use crate::{
    genome::mutation,
    search::{Member, Parameters, Survival, population::Niche, rng, synthetic},
};
use std::{collections::BTreeSet, path::Path};

fn state(members: u64) -> State {
    let (space, settings) = (synthetic::table(), Settings::default());
    let mut population =
        Population::new(space.clone(), settings.population, Survival::Elitist { elites: 2 }, Niche::of(&space, &settings));
    for number in 0..members {
        let genome = space.birth(&mut rng(3, number, 0));
        let score = synthetic::quality(&genome);
        population.insert(Member {
            number,
            genome,
            score,
            head_start: 0.0,
            doubt: 0.0,
            parameters: 1,
            costs: vec![],
            violation: 0.0,
        });
    }
    let kinds = space.edits().len();
    State { space, settings, population, fresh: EditCredit::new(kinds), inherited: EditCredit::new(kinds) }
}

#[test]
fn the_list_is_the_folder() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/search/arm");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<String> =
        files.filter(|file| file != "mod.rs" && file != "tests.rs").map(|file| file.replace(".rs", "")).collect();
    let names: BTreeSet<String> = <Entry>::ALL.iter().map(|entry| entry.name.to_owned()).collect();
    assert_eq!(names, files);
    assert_eq!(names.len(), <Entry>::ALL.len());
    assert!(<Entry>::ALL.iter().all(|entry| !entry.doc.is_empty()));
}

#[test]
fn drafts_are_valid_and_made_from_members() {
    let state = state(12);
    for entry in <Entry>::ALL {
        let (mut arm, mut drafts) = ((entry.make)(&state.space), 0);
        for stream in 0..200 {
            let Some(draft) = arm.draft(&state, &mut rng(1, 1, stream)) else { continue };
            drafts += 1;
            assert_eq!(state.space.contains(&draft.genome), Ok(()), "{}", entry.name);
            assert!(draft.parents.iter().all(|&parent| state.population.get(parent).is_some()));
            assert!(draft.kinds.len() <= draft.edits.len());
            assert!(draft.length > 0.0 && draft.length <= 1.0);
            assert_eq!(draft.inherits, draft.length < 1.0, "{}: a short training goes on from weights", entry.name);
            assert!(!draft.inherits || !draft.parents.is_empty());
        }
        assert!(drafts > 150, "{}: {drafts}", entry.name);
    }
}

#[test]
fn without_a_population_only_births_have_something_to_offer() {
    let state = state(0);
    let offering = <Entry>::ALL.iter().filter(|entry| (entry.make)(&state.space).draft(&state, &mut rng(1, 1, 1)).is_some());
    assert_eq!(offering.map(|entry| entry.name).collect::<Vec<_>>(), ["birth"]);
}

fn entry(name: &str) -> &'static Entry {
    <Entry>::ALL.iter().find(|entry| entry.name == name).unwrap()
}

#[test]
fn a_ring_grows_when_it_is_exhausted_and_starts_anew_where_the_centre_moves() {
    let mut state = state(8);
    let mut arm = (entry("evsm").make)(&state.space);
    let mut edits = |state: &State, tried: usize| {
        let mut rng = rng(1, 1, 1);
        let draft = arm.draft(state, &mut rng).unwrap();
        assert_eq!(draft.parents, [state.population.best().unwrap().number]);
        for _ in 0..tried {
            arm.told(Told { parent: Some(draft.parents[0]), above_parent: false }, state);
        }
        draft.edits.len()
    };
    let ring = state.settings.ring;
    assert_eq!(edits(&state, ring - 1), 1);
    assert_eq!(edits(&state, 1), 1);
    assert_eq!(edits(&state, ring), 2);
    assert_eq!(edits(&state, ring), 3);
    assert_eq!(edits(&state, ring), 4);
    assert_eq!(edits(&state, ring), 1, "after the widest ring the first is tried again");
    assert_eq!(edits(&state, 0), 2);
    let genome = state.space.birth(&mut rng(77, 0, 0));
    let best =
        Member { number: 99, genome, score: 2.0, head_start: 0.0, doubt: 0.0, parameters: 1, costs: vec![], violation: 0.0 };
    state.population.insert(best);
    assert_eq!(edits(&state, 0), 1);
}

#[test]
fn a_repetition_counts_as_a_neighbour_that_was_tried() {
    let state = state(8);
    let mut arm = (entry("evsm").make)(&state.space);
    let parent = arm.draft(&state, &mut rng(1, 1, 1)).unwrap().parents.first().copied();
    for _ in 0..state.settings.ring {
        arm.repeated(parent, &state);
    }
    assert_eq!(arm.draft(&state, &mut rng(1, 1, 1)).unwrap().edits.len(), 2);
}

#[test]
fn elastic_children_keep_weights_by_elastic_edits_and_leave_a_fruitless_parent_alone() {
    let state = state(1);
    let mut arm = (entry("eems").make)(&state.space);
    for stream in 0..100 {
        let draft = arm.draft(&state, &mut rng(1, 1, stream)).unwrap();
        let elastic = |&kind: &usize| {
            let mutation = mutation::ALL[kind];
            let keeps = mutation.preserving || mutation.shrinking || mutation.kind == mutation::Kind::Training;
            keeps && mutation.kind != mutation::Kind::Start
        };
        assert!(draft.kinds.iter().all(elastic));
    }
    let fails = Told { parent: Some(0), above_parent: false };
    for _ in 0..3 {
        arm.told(fails, &state);
    }
    arm.told(Told { parent: Some(0), above_parent: true }, &state);
    for _ in 0..4 {
        assert!(arm.draft(&state, &mut rng(1, 1, 0)).is_some());
        arm.told(fails, &state);
    }
    assert_eq!(arm.draft(&state, &mut rng(1, 1, 0)), None);
}

#[test]
fn all_arms_fit_nets_and_those_that_go_on_from_weights_fit_nothing_else() {
    let nets = synthetic::table();
    assert!(<Entry>::ALL.iter().all(|entry| (entry.make)(&nets).fits()));
    let parameters = Parameters::builder().int("n", 0, 9).build().unwrap();
    let unfit = Entry::<Parameters>::ALL.iter().filter(|entry| !(entry.make)(&parameters).fits());
    assert_eq!(unfit.map(|entry| entry.name).collect::<Vec<_>>(), ["eems"]);
}
