use super::*;
use crate::study::Outcome;

fn all() -> [Input; 5] {
    let several = synthetic::several_objectives();
    [synthetic::study(), synthetic::many_classes(26), synthetic::regression(), several, synthetic::paused()]
}

fn page(input: &Input) -> String {
    html(input, &Digest::of(input))
}

/// The section of the page with this title, without the page around it.
fn section(input: &Input, title: &str) -> String {
    let section = plot::ALL.iter().find(|section| section.title == title).unwrap();
    (section.draw)(input, &Digest::of(input)).unwrap()
}

/// Names of the elements that are opened and not closed, or closed and not opened.
fn unbalanced(page: &str) -> Vec<String> {
    const EMPTY: [&str; 1] = ["br"];
    let mut open: Vec<String> = Vec::new();
    let mut wrong = Vec::new();
    for tag in page.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap_or_default();
        let name = tag.split([' ', '\n']).next().unwrap_or_default();
        match name.strip_prefix('/') {
            Some(name) if open.last().is_some_and(|last| last == name) => drop(open.pop()),
            Some(name) => wrong.push(format!("/{name}")),
            None if tag.ends_with('/') || EMPTY.contains(&name) => {}
            None => open.push(name.to_owned()),
        }
    }
    wrong.extend(open);
    wrong
}

#[test]
fn pages_are_well_formed_self_contained_and_escaped() {
    for input in all() {
        let page = page(&input);
        let body = page.split("</head>").nth(1).unwrap().split("</html>").next().unwrap();
        assert_eq!(unbalanced(body), Vec::<String>::new());
        for foreign in ["http:", "https:", "<script", "<link", "@import", "url("] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        for raw in ["census <2024>", "<b>class", "<NaN>"] {
            assert!(!page.contains(raw), "{raw}");
        }
        assert!(!page.contains("NaN") || page.contains("&lt;NaN&gt;"));
    }
}

#[test]
fn every_section_is_drawn_for_some_study() {
    let inputs = all();
    for section in plot::ALL {
        assert!(!section.title.is_empty() && section.note.ends_with('.'), "{}", section.title);
        let drawn = inputs.iter().any(|input| (section.draw)(input, &Digest::of(input)).is_some());
        assert!(drawn, "{}", section.title);
    }
}

#[test]
fn the_list_is_what_the_folder_holds() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/plot");
    assert_eq!(std::fs::read_dir(folder).unwrap().count() - 1, plot::ALL.len());
}

#[test]
fn a_study_without_any_result_still_has_a_page() {
    let mut input = synthetic::study();
    input.records.clear();
    input.layers.clear();
    let page = page(&input);
    assert!(page.contains("no result") && page.contains("Settings"), "{page}");
}

#[test]
fn a_useless_search_is_called_so() {
    let mut input = synthetic::study();
    assert!(!page(&input).contains("nothing better"));
    input.baselines[1].value = 0.99;
    assert!(page(&input).contains("The search found nothing better than the linear model."));
    let mut input = synthetic::regression();
    assert!(!page(&input).contains("nothing better"));
    input.baselines[0].value = 1.0;
    assert!(page(&input).contains("nothing better than the mean"));
}

#[test]
fn the_digest_adds_up() {
    let input = synthetic::study();
    let digest = Digest::of(&input);
    let failed: u64 = digest.failures.iter().map(|(_, count, _)| count).sum();
    assert_eq!(digest.candidates, 240);
    assert_eq!(digest.points.len() as u64 + failed, 240);
    assert_eq!(failed, 6);
    assert_eq!(digest.examples, 240 * 60_000);
    assert!((digest.seconds - (239.0 * 1.5 + 2.4)).abs() < 1e-9);
    let best: Vec<f64> = digest.points.iter().filter(|point| point.best).map(|point| point.value).collect();
    assert!(best.windows(2).all(|pair| pair[0] < pair[1]) && best.len() > 3, "{best:?}");
    let lineage = &digest.lineage;
    assert_eq!(Some(lineage.last().unwrap().number), digest.choice.as_ref().map(|choice| choice.candidate));
    assert!(lineage[0].edits.is_empty() && lineage.windows(2).all(|pair| pair[0].number < pair[1].number));
}

#[test]
fn what_went_on_after_a_pause_has_the_colour_of_the_arm_that_made_it() {
    let mut input = synthetic::study();
    input.records = synthetic::continued().into_iter().map(|candidate| Record::Candidate(Box::new(candidate))).collect();
    let digest = Digest::of(&input);
    assert_eq!(digest.arms, ["birth", "evsm", "mutation"]);
    let arms: Vec<(u64, usize)> = digest.points.iter().map(|point| (point.number, point.arm)).collect();
    assert_eq!(arms, [(0, 0), (3, 1), (4, 2)]);
    assert_eq!((digest.candidates, digest.paused), (5, 0));
}

#[test]
fn names_stand_in_the_order_of_numbers_whoever_ended_first() {
    let mut input = synthetic::study();
    let before = Digest::of(&input);
    let candidates = input.records.iter().filter(|record| matches!(record, Record::Candidate(_))).count();
    input.records[..candidates].reverse();
    let after = Digest::of(&input);
    assert!(before.arms.len() > 2 && !before.failures.is_empty());
    assert_eq!((after.arms, after.failures), (before.arms, before.failures));
}

#[test]
fn the_front_is_drawn_and_listed_with_its_hypervolume() {
    let input = synthetic::several_objectives();
    let front = input.front.as_ref().unwrap();
    assert!(front.members.len() > 2, "{}", front.members.len());
    let page = page(&input);
    assert!(front.members.iter().all(|member| page.matches(&member.file).count() == 2), "a dot and a row each");
    let text = serde_json::to_value(numbers(&input, Digest::of(&input))).unwrap();
    assert_eq!(text["front"]["objectives"], serde_json::json!(["latency", "size"]));
    assert_eq!(text["front"]["members"][0]["objectives"].as_object().unwrap().len(), 2);
    let volume = &text["hypervolume"];
    assert_eq!(volume["reference"]["accuracy"], input.baselines[0].value);
    assert_eq!(volume["ideal"], serde_json::json!({"accuracy": 1.0, "latency": 0.0, "size": 0.0}));
    let share = volume["share"].as_f64().unwrap();
    assert!(share > 0.0 && share < 1.0, "{share}");
    let plain = serde_json::to_value(numbers(&synthetic::study(), Digest::of(&synthetic::study()))).unwrap();
    assert!(plain.get("front").is_none() && plain.get("hypervolume").is_none());
}

#[test]
fn sections_that_say_why_are_pinned() {
    let mut input = synthetic::regression();
    insta::assert_snapshot!("what_mattered", section(&input, "What mattered"));
    insta::assert_snapshot!("what_the_arms_contributed", section(&input, "What the arms contributed"));
    insta::assert_snapshot!("lineage", section(&input, "Lineage"));
    input.records.truncate(12);
    insta::assert_snapshot!("too_few_candidates", section(&input, "What mattered"));
}

#[test]
fn where_the_genes_foretell_nothing_the_page_says_so() {
    let mut input = synthetic::study();
    let mut scores: Vec<f64> = Vec::new();
    for record in &mut input.records {
        if let Record::Candidate(candidate) = record
            && let Outcome::Scored { score, .. } = &mut candidate.outcome
        {
            // The scores of others: each has one, but none that has to do with its genes.
            scores.push(*score);
            *score = scores[scores.len() * 31 % 97 % scores.len()];
        }
    }
    let section = section(&input, "What mattered");
    assert!(section.starts_with("<p>Not known") && !section.contains("table"), "{section}");
}

#[test]
fn gains_of_the_lineage_add_up() {
    for input in all() {
        let lineage = Digest::of(&input).lineage;
        let sum: f64 = lineage.iter().filter_map(|step| step.gain).sum();
        let (first, last) = (lineage[0].value.unwrap(), lineage[lineage.len() - 1].value.unwrap());
        assert!((first + sum - last).abs() < 1e-9 && lineage[0].gain.is_none());
        assert!(lineage.windows(2).all(|pair| pair[1].parent == Some(pair[0].number)));
    }
}

#[test]
fn numbers_serialise_without_the_clock_outside_timing() {
    let input = synthetic::regression();
    let text = serde_json::to_value(numbers(&input, Digest::of(&input))).unwrap();
    assert_eq!(text["metric"], "rmse");
    assert_eq!(text["higher_is_better"], false);
    assert_eq!(text["candidates"], 240);
    assert_eq!(text["baselines"][0]["name"], "mean");
    assert_eq!(text["importance"]["genes"][0]["gene"], "learning rate");
    let tried = text["contributions"].as_array().unwrap().iter().map(|arm| arm["candidates"].as_u64().unwrap());
    assert_eq!(tried.sum::<u64>(), 240);
    assert!(text["lineage"][1]["gain"].is_number());
    assert!(text["timing"]["seconds"].as_f64().unwrap() > 0.0);
    assert!(text.get("seconds").is_none());
}
